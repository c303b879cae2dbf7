// The work that every peer does: a task returns its own small number, nothing else.
import { performance } from 'node:perf_hooks';

export const CHAIN = 1000;
export const FAN = 10000;
export const SIDE = 100;

export const shapes = ['chain', 'fan', 'lattice'];

/** The tasks of a shape, its join counted. */
export const tasksOf = { chain: CHAIN, fan: FAN + 1, lattice: SIDE * SIDE };

/** Runs `work`, which returns how many tasks it found finished afterwards, and prints the figure. */
export async function measure(shape, work, count) {
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  const found = await count();
  if (found !== tasksOf[shape]) throw new Error(`${shape}: ${found} tasks of ${tasksOf[shape]} were stored`);
  console.log(JSON.stringify({ shape, tasks: found, seconds }));
}
