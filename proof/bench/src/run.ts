import process from 'node:process'
import type { EmbeddedServer } from '@acuse/postgres/embedded'
import { spawnActor } from './actors/remote.ts'
import type { Bench } from './measure.ts'
import type { BenchOptions } from './options.ts'
import { processorTime } from './processor-time.ts'

/** The bench of one measure: its databases bear its name, and its actors end with it. */
export function openBench(server: EmbeddedServer, options: BenchOptions, measure: string): Bench & AsyncDisposable {
  const opened: { close(): Promise<void> }[] = []
  const database = (name: string): Promise<string> => server.createDatabase(`${measure}-${name}`)
  return {
    options,
    sliceMs: options.seconds * 1_000,
    processorTime: () => processorTime(server.pid),
    database,
    start: async (name, databaseName, node = []) => {
      const actor = await spawnActor(name, await database(databaseName), { profileIn: options.profileIn, node })
      opened.push(actor)
      return actor
    },
    say: (text) => process.stderr.write(`${text}\n`),
    [Symbol.asyncDispose]: async () => {
      for (const actor of opened) await actor.close()
    },
  }
}
