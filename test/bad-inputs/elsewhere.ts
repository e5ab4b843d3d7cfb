/** What other test files show, by number: the file, and the words of the test's name in it. */
export const shownElsewhere: ReadonlyMap<number, readonly [file: string, test: string]> = new Map([
  [23, ['test/faults.e2e.test.ts', 'a handler that ends its process']],
  [24, ['test/faults.e2e.test.ts', 'an unhandled rejection']],
  [27, ['test/faults.e2e.test.ts', 'a restart of PostgreSQL']],
  [30, ['test/server-faults.e2e.test.ts', 'a server that is read-only']],
  [33, ['test/server-faults.e2e.test.ts', 'a full disk']],
  [34, ['packages/postgres/test/migrate.int.test.ts', 'two']],
  [36, ['test/faults.e2e.test.ts', 'twice ends at once']],
  [37, ['test/faults.e2e.test.ts', 'a process that stands still beyond its lease']],
  [38, ['test/faults.e2e.test.ts', 'a process that runs out of memory']],
  [39, ['test/server-faults.e2e.test.ts', 'a clock that jumps']],
  [43, ['test/network.int.test.ts', 'down at the start']],
  [44, ['packages/rabbitmq/test/topology.int.test.ts', 'short of memory holds publishes back']],
  [45, ['test/network.int.test.ts', 'half-open']],
  [46, ['test/network.int.test.ts', 'reset']],
  [47, ['test/network.int.test.ts', 'a redelivery storm']],
  [48, ['test/network.int.test.ts', 'a group that is deleted']],
  [49, ['packages/postgres/test/log/ownership.int.test.ts', 'hand']],
  [50, ['packages/kafka/test/kafka.int.test.ts', 'whose next message was deleted']],
  [52, ['packages/postgres/test/tls.int.test.ts', 'whose certificate has expired']],
])

/** What has no test yet, and why. */
export const laterCases: ReadonlyMap<number, string> = new Map([[51, 'rotated credentials']])
