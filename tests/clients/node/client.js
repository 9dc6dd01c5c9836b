// The Node client of the suite: nacos over HTTP. Roles and lines: see ../README.md.
'use strict';

const readline = require('readline');
const { NacosNamingClient } = require('nacos');

const GROUP = 'DEFAULT_GROUP';
const BEATS = ['preserved.heart.beat.interval', 'preserved.heart.beat.timeout', 'preserved.ip.delete.timeout'];

// Standard output belongs to the lines of the suite.
const logger = new console.Console(process.stderr, process.stderr);
const say = (...words) => console.log(words.join(' '));

// The list as text: sorted `ip:port/version/weight`, `!` after unhealthy ones, or `-` when it is empty.
function show(hosts) {
  const one = h => `${h.ip}:${h.port}/${h.metadata.version}/${h.weight}${h.healthy ? '' : '!'}`;
  return hosts.map(one).sort().join(',') || '-';
}

// Runs the command with the words of each line on stdin, one after the other, up to `quit` or the end of input.
async function commands(command) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line === 'quit') return;
    await command(line.split(' '));
  }
}

async function connect(server) {
  const { NACOS_USERNAME: username, NACOS_PASSWORD: password } = process.env;
  const naming = new NacosNamingClient({ logger, serverList: server, username, password });
  await naming.ready();
  return naming;
}

async function publish(naming, service, address, beats) {
  const [ip, port] = address.split(':');
  const times = Object.fromEntries(beats.split(',').map((time, index) => [BEATS[index], time]));
  let version = '1';
  const instance = (port, clusterName, healthy) =>
    ({ ip, port, clusterName, healthy, weight: Number(version), metadata: { version, ...times } });
  const first = () => instance(Number(port), 'DEFAULT', true);
  const second = () => instance(Number(port) + 1, 'east', false);

  const register = () => naming.registerInstance(service, first(), GROUP);
  const actions = {
    register,
    update: next => {
      version = next;
      return register();
    },
    deregister: () => naming.deregisterInstance(service, first(), GROUP),
    batch: async () => {
      await register();
      await naming.registerInstance(service, second(), GROUP);
    },
    unbatch: () => naming.deregisterInstance(service, second(), GROUP),
  };
  await register();
  say('READY');
  await commands(async ([action, ...words]) => {
    try {
      await actions[action](...words);
      say('OK', action);
    } catch (error) {
      say('FAILED', action, error.message);
    }
  });
}

async function watch(naming, service) {
  // This SDK watches the cluster DEFAULT unless others are named.
  naming.subscribe({ serviceName: service, clusters: 'DEFAULT,east' }, hosts => say('LIST', show(hosts)));
  say('READY');
  await commands(() => {});
}

async function query(naming, service) {
  const all = clusters => naming.getAllInstances(service, GROUP, clusters, false);
  say('STATUS', await naming.getServerStatus());
  say('ALL', show(await all('')));
  say('HEALTHY', show(await naming.selectInstances(service, GROUP, '', true, false)));
  say('EAST', show(await all('east')));
  say('SERVICES ?');
}

async function main(server, role, ...words) {
  const naming = await connect(server);
  await { publish, watch, query }[role](naming, ...words);
  await naming.close();
  process.exit(0); // the SDK waits for its next beat
}

main(...process.argv.slice(2)).catch(error => {
  logger.error(error);
  process.exit(1);
});
