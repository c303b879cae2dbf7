// Servers of one measurement: loopback only, data in a folder given, ended by their own process ids.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';

const running = new Set();

function start(program, args, options) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], ...options });
  child.words = '';
  child.stderr.on('data', (data) => (child.words = (child.words + data).slice(-4000)));
  child.over = new Promise((resolve) => child.on('exit', resolve).on('error', resolve));
  running.add(child);
  child.over.then(() => running.delete(child));
  return child;
}

/** Ends a server and waits for its end; one that does not listen is killed after 10 s. */
export async function stop(child) {
  const late = setTimeout(() => child.kill('SIGKILL'), 10000);
  child.kill('SIGINT');
  await child.over;
  clearTimeout(late);
}

export const stopAll = () => Promise.all([...running].map(stop));

async function ready(child, test) {
  for (let tries = 0; tries < 300; tries++) {
    if (test()) return;
    if (!running.has(child)) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${child.spawnfile} does not start: ${child.words}`);
}

const quiet = (program, args, options) => spawnSync(program, args, { stdio: 'ignore', ...options }).status === 0;

/** A Redis that listens on a socket only. */
export async function redis(folder, fsync) {
  const socket = `${folder}/redis.sock`;
  const appending = ['--appendonly', 'yes', '--appendfsync', fsync, '--save', ''];
  const child = start('redis-server', ['--port', '0', '--unixsocket', socket, '--dir', folder, ...appending]);
  await ready(child, () => quiet('redis-cli', ['-s', socket, 'ping']));
  return { child, at: socket };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** PostgreSQL does not run as root: then it runs as the user its package made. */
function unprivileged(folder) {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  const who = { uid: id('-u'), gid: id('-g') };
  chownSync(folder, who.uid, who.gid);
  return who;
}

/** PostgreSQL as it comes: fsync and synchronous_commit are on. */
export async function postgresql(folder) {
  const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a));
  const bin = `/usr/lib/postgresql/${versions[0]}/bin`;
  if (!existsSync(`${bin}/postgres`)) throw new Error('no server of PostgreSQL: apt-get install postgresql');
  const data = `${folder}/data`;
  mkdirSync(data);
  chmodSync(folder, 0o711);
  const who = { ...unprivileged(data), cwd: '/' };
  const port = await freePort();
  if (!quiet(`${bin}/initdb`, ['-D', data, '-A', 'trust', '-U', 'bench'], who)) throw new Error('initdb failed');
  const listen = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='];
  const child = start(`${bin}/postgres`, ['-D', data, '-p', `${port}`, ...listen], who);
  await ready(child, () => quiet(`${bin}/pg_isready`, ['-q', '-h', '127.0.0.1', '-p', `${port}`]));
  return { child, at: `postgresql://bench@127.0.0.1:${port}/bench` };
}
