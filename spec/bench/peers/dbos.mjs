// node dbos.mjs SHAPE URL: one workflow of DBOS; a task is a step, its result a row of PostgreSQL.
// Steps must start in the same order when a workflow is replayed, so a lattice goes row by row.
import { DBOS } from '@dbos-inc/dbos-sdk';
import { CHAIN, FAN, SIDE, measure, tasksOf } from './shapes.mjs';

const [shape, url] = process.argv.slice(2);
const step = (n) => DBOS.runStep(async () => n, { name: 'task' });
const together = (count, from) => Promise.all(Array.from({ length: count }, (_, i) => step(from + i)));

const shapes = {
  async chain() {
    for (let n = 0; n < CHAIN; n++) await step(n);
  },
  async fan() {
    await together(FAN, 0);
    await step(FAN);
  },
  async lattice() {
    for (let i = 0; i < SIDE; i++) await together(SIDE, i * SIDE);
  },
};
const workflow = DBOS.registerWorkflow(shapes[shape], { name: shape });

DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, systemDatabasePoolSize: 20, logLevel: 'error' });
await DBOS.launch();
let handle;
const work = async () => {
  handle = await DBOS.startWorkflow(workflow)();
  await handle.getResult();
};
const stored = async () => (await DBOS.listWorkflowSteps(handle.workflowID)).length;
await measure(shape, work, stored);
await DBOS.shutdown();
process.exit(0);
