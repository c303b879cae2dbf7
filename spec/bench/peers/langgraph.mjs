// node langgraph.mjs SHAPE FOLDER normal|full: LangGraph with its SQLite saver, in the form that is fastest for a shape:
// tasks of an entrypoint for a chain (in a fan each of them costs more the more there are), Sends of a graph for what is
// side by side. A superstep is a barrier, so a lattice goes row by row.
// normal: as the saver comes (WAL; a power loss may take the last commits); full: synchronous=FULL and each step waited
// for (durability "sync").
import { END, START, Annotation, Send, StateGraph, entrypoint, task } from '@langchain/langgraph';
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite';
import { CHAIN, FAN, SIDE, measure } from './shapes.mjs';

const [shape, folder, level] = process.argv.slice(2);
const saver = SqliteSaver.fromConnString(`${folder}/checkpoints.db`);
if (level === 'full') saver.db.pragma('synchronous = FULL');

function chain() {
  const step = task('task', async (n) => n);
  return entrypoint({ name: 'chain', checkpointer: saver }, async () => {
    for (let n = 0; n < CHAIN; n++) await step(n);
    return CHAIN;
  });
}

const State = Annotation.Root({ sum: Annotation({ reducer: (a, b) => a + b, default: () => 0 }), rows: Annotation() });
const sends = (count) => Array.from({ length: count }, (_, n) => new Send('task', { n }));

function fan() {
  return new StateGraph(State)
    .addNode('task', async ({ n }) => ({ sum: n }))
    .addNode('join', async () => ({ sum: 1 }))
    .addConditionalEdges(START, () => sends(FAN), ['task'])
    .addEdge('task', 'join')
    .addEdge('join', END)
    .compile({ checkpointer: saver });
}

function lattice() {
  return new StateGraph(State)
    .addNode('task', async ({ n }) => ({ sum: n }))
    .addNode('row', async ({ rows }) => ({ rows: rows + 1 }))
    .addConditionalEdges(START, () => sends(SIDE), ['task'])
    .addEdge('task', 'row')
    .addConditionalEdges('row', ({ rows }) => (rows < SIDE ? sends(SIDE) : END), ['task', END])
    .compile({ checkpointer: saver });
}

const graph = { chain, fan, lattice }[shape]();
const config = {
  configurable: { thread_id: '1' },
  recursionLimit: 3 * SIDE,
  maxConcurrency: SIDE, // without it a fan of 10,000 takes five times as long
  durability: level === 'full' ? 'sync' : 'async',
};
const channel = shape === 'chain' ? '__return__' : 'sum';
const distinct = "SELECT count(DISTINCT checkpoint_id || task_id) AS n FROM writes WHERE channel = ?";

await measure(
  shape,
  () => graph.invoke(shape === 'chain' ? 0 : { rows: 0 }, config),
  () => saver.db.prepare(distinct).get(channel).n,
);
