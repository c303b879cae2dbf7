// node bullmq.mjs SHAPE SOCKET: flows of BullMQ, one worker beside the producer.
// A flow is a tree: a job waits for its children. A chain is a flow 1,000 deep, a fan one parent with 10,000 children.
// A node of a lattice has two successors, which no tree can say, so each row is a flow whose parent adds the next row.
import { FlowProducer, Queue, Worker } from 'bullmq';
import { CHAIN, FAN, SIDE, measure } from './shapes.mjs';

const [shape, socket] = process.argv.slice(2);
const connection = { path: socket, maxRetriesPerRequest: null };
const queueName = 'bench';
const flow = new FlowProducer({ connection });
const queue = new Queue(queueName, { connection });
const job = (name, n, children) => ({ name, queueName, data: { n }, children });

function chain() {
  let node = job('task', 0);
  for (let n = 1; n < CHAIN; n++) node = job('task', n, [node]);
  return { ...node, name: 'last' };
}

const leaves = (count, from) => Array.from({ length: count }, (_, i) => job('task', from + i));
const row = (i) => job('row', i, leaves(SIDE, i * SIDE));
const first = { chain, fan: () => job('last', FAN, leaves(FAN, 0)), lattice: () => row(0) }[shape];

async function run(j) {
  if (j.name === 'row' && j.data.n + 1 < SIDE) await flow.add(row(j.data.n + 1));
  return j.data.n;
}

const worker = new Worker(queueName, run, { connection, concurrency: 200, autorun: false });
await Promise.all([worker.waitUntilReady(), queue.waitUntilReady(), flow.waitUntilReady()]);
worker.run();

const isLast = (j) => j.name === 'last' || (j.name === 'row' && j.data.n === SIDE - 1);
const end = new Promise((resolve, reject) => {
  worker.on('completed', (j) => isLast(j) && resolve());
  worker.on('failed', (j, e) => reject(e));
  worker.on('error', reject);
});

const work = async () => {
  await flow.add(first());
  await end;
};
const stored = async () => (await queue.getCompletedCount()) - (shape === 'lattice' ? SIDE : 0);
await measure(shape, work, stored);
await worker.close();
await queue.close();
await flow.close();
