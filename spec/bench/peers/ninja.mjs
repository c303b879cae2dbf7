// node ninja.mjs SHAPE FOLDER: ninja with its log, a task is a shell that writes its number to its own file.
import { spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { CHAIN, FAN, SIDE, measure } from './shapes.mjs';

const [shape, folder] = process.argv.slice(2);
const edge = (n, parents) => `build t${n}: task ${parents.map((p) => `t${p}`).join(' ')}\n  n = ${n}\n`;
const many = (count, parentsOf) => Array.from({ length: count }, (_, n) => edge(n, parentsOf(n)));
const above = (n) => (n < SIDE ? [] : n % SIDE === SIDE - 1 ? [n - SIDE] : [n - SIDE, n - SIDE + 1]);

const edges = {
  chain: () => many(CHAIN, (n) => (n > 0 ? [n - 1] : [])),
  fan: () => [...many(FAN, () => []), edge(FAN, Array.from({ length: FAN }, (_, n) => n))],
  lattice: () => many(SIDE * SIDE, above),
}[shape]();

writeFileSync(`${folder}/build.ninja`, `rule task\n  command = echo $n >$out\n${edges.join('')}`);

const build = () =>
  new Promise((resolve, reject) => {
    const ninja = spawn('ninja', ['-C', folder, '--quiet'], { stdio: ['ignore', 'ignore', 'inherit'] });
    ninja.on('error', reject).on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`ninja: ${code}`))));
  });

await measure(shape, build, () => readdirSync(folder).filter((name) => /^t\d+$/.test(name)).length);
