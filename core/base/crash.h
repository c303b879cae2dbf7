/*
 * crash.h: named places between two writes, at which builds for tests can be killed (spec/support/crash.c says how).
 * In every other build they are nothing. The name says what has just been done, or is about to be; it is a literal,
 * for spec/crash_points_spec.lua finds all of them in the source.
 */
#ifndef SY_BASE_CRASH_H
#define SY_BASE_CRASH_H

#ifdef SYMPHONY_CRASH_POINTS
/* Ends the process here when the point of this name was asked for. */
void sy__crash_point(const char *name); /* any thread */
#define SY__CRASH_POINT(name) sy__crash_point(name)
#else
#define SY__CRASH_POINT(name) ((void)0)
#endif

#endif
