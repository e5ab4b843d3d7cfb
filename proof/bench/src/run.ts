import process from 'node:process'
import type { EmbeddedServer } from '@acuse/postgres/embedded'
import { spawnActor } from './actors/remote.ts'
import type { RunningBroker } from './brokers/broker.ts'
import type { Bench } from './measure.ts'
import type { BenchOptions } from './options.ts'
import { processorTime } from './processor-time.ts'

export interface Servers {
  readonly postgres: EmbeddedServer
  /** The one that is measured, if any. */
  readonly broker: RunningBroker | undefined
}

/** The bench of one measure: its databases and its places on the broker bear its name, and its actors end with it. */
export function openBench(
  { postgres, broker }: Servers,
  options: BenchOptions,
  measure: string,
): Bench & AsyncDisposable {
  const opened: { close(): Promise<void> }[] = []
  const database = (name: string): Promise<string> => postgres.createDatabase(`${measure}-${name}`)
  return {
    options,
    sliceMs: options.seconds * 1_000,
    processorTime: () => processorTime({ postgres: postgres.pid, broker: broker?.pid }),
    database,
    start: async (name, databaseName, { node = [], place = databaseName } = {}) => {
      const on = broker && { broker: broker.name, url: broker.url, place: `${measure}-${place}` }
      const actor = await spawnActor(name, await database(databaseName), { profileIn: options.profileIn, node, on })
      opened.push(actor)
      return actor
    },
    say: (text) => process.stderr.write(`${text}\n`),
    [Symbol.asyncDispose]: async () => {
      for (const actor of opened) await actor.close()
    },
  }
}
