// node main.mjs ENGINE_BENCH [--json]: measures each program on each shape, one after the other, and prints a table.
// Each measurement is a process of its own, in a new folder below SYMPHONY_BENCH_DIR or /var/tmp, bounded in time.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { postgresql, redis, stop, stopAll } from './servers.mjs';
import { shapes } from './shapes.mjs';

const LIMIT_S = 600;
const here = dirname(fileURLToPath(import.meta.url));
const [engine, ...flags] = process.argv.slice(2);
const base = process.env.SYMPHONY_BENCH_DIR ?? '/var/tmp';

/** Runs a program to its end and gives what it printed. */
function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_S * 1000 });
    let out = '';
    let err = '';
    child.stdout.on('data', (data) => (out += data));
    child.stderr.on('data', (data) => (err += data));
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve(out);
      else reject(new Error(signal ? `no end within ${LIMIT_S} s` : err.trim().split('\n').slice(-3).join(' ')));
    });
  });
}

/** Tasks a second of a program of this folder, which prints {tasks, seconds}. */
async function script(name, shape, ...args) {
  const { tasks, seconds } = JSON.parse(await run(process.execPath, [join(here, `${name}.mjs`), shape, ...args]));
  return tasks / seconds;
}

/** The first figure of the engine's bench, which counts the rows it left. */
async function symphony(shape, level) {
  const size = { chain: 1000, fan: 10000, lattice: 100 }[shape];
  const { value, unit } = JSON.parse((await run(engine, [shape, `${size}`, level])).split('\n')[0]);
  return unit === 'us/task' ? 1e6 / value : value;
}

async function served(server, shape, name) {
  try {
    return await script(name, shape, server.at);
  } finally {
    await stop(server.child);
  }
}

const version = (name) => JSON.parse(readFileSync(join(here, 'node_modules', name, 'package.json'))).version;
const first = (program, ...args) => spawnSync(program, args, { encoding: 'utf8' }).stdout?.match(/\d+(\.\d+)+/)?.[0];

// `survives`: what is still there of what was acknowledged. Only `full` rows count as durable in the ratio.
const rows = [
  { name: 'Symphony, full', survives: 'power loss', measure: (s) => symphony(s, 'full') },
  { name: 'Symphony, process', survives: 'kill', measure: (s) => symphony(s, 'process') },
  { name: 'Symphony, none', survives: 'nothing', measure: (s) => symphony(s, 'none') },
  {
    name: `BullMQ ${version('bullmq')}, Redis ${first('redis-server', '--version')}, fsync always`,
    survives: 'power loss',
    measure: async (s, dir) => served(await redis(dir, 'always'), s, 'bullmq'),
  },
  {
    name: 'BullMQ, Redis, fsync every second',
    survives: 'kill; 1 s lost with power',
    measure: async (s, dir) => served(await redis(dir, 'everysec'), s, 'bullmq'),
  },
  {
    name: `LangGraph ${version('@langchain/langgraph')}, SQLite, synchronous=FULL`,
    survives: 'power loss',
    measure: (s, dir) => script('langgraph', s, dir, 'full'),
  },
  {
    name: 'LangGraph, SQLite, as it comes',
    survives: 'kill; the last steps lost',
    measure: (s, dir) => script('langgraph', s, dir, 'normal'),
  },
  {
    name: `DBOS ${version('@dbos-inc/dbos-sdk')}, PostgreSQL ${first('psql', '--version')}`,
    survives: 'power loss',
    measure: async (s, dir) => served(await postgresql(dir), s, 'dbos'),
  },
  {
    name: `ninja ${first('ninja', '--version')}`,
    survives: 'kill (files, a log)',
    measure: (s, dir) => script('ninja', s, dir),
  },
];

async function one(row, shape) {
  const dir = mkdtempSync(join(base, 'symphony-peers-'));
  try {
    const value = await row.measure(shape, dir);
    console.error(`${row.name}: ${shape}: ${Math.round(value)} tasks/s`);
    return value;
  } catch (e) {
    console.error(`${row.name}: ${shape}: ${e.message}`);
    return undefined;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const cell = (value) => (value === undefined ? 'failed' : Math.round(value).toLocaleString('en'));

/** Symphony at full beside the best peer that survives a power loss as well, in each shape. */
function ratio(shape) {
  const durable = rows.filter((r) => r.survives === 'power loss' && r.results[shape] !== undefined);
  const best = Math.max(...durable.slice(1).map((r) => r.results[shape]));
  return durable[0] === rows[0] && durable.length > 1 ? `${(rows[0].results[shape] / best).toFixed(1)} ×` : 'unknown';
}

for (const row of rows) row.results = {};
// Shape by shape, so that what is compared is measured within the same minutes.
for (const shape of shapes) for (const row of rows) row.results[shape] = await one(row, shape);
await stopAll();

if (flags.includes('--json')) {
  for (const { name, survives, results } of rows) console.log(JSON.stringify({ bench: 'peers', name, survives, ...results }));
} else {
  console.log(`tasks/s, ${cpus().length} × ${cpus()[0].model}, node ${process.versions.node}\n`);
  console.log('| program | survives | chain 1,000 | fan 10,000 + join | lattice 100 × 100 |\n|---|---|---|---|---|');
  for (const r of rows) console.log(`| ${[r.name, r.survives, ...shapes.map((s) => cell(r.results[s]))].join(' | ')} |`);
  console.log(`| Symphony full : best of those that survive the same | | ${shapes.map(ratio).join(' | ')} |`);
}
process.exit(rows.every((r) => shapes.every((s) => r.results[s] !== undefined)) ? 0 : 1);
