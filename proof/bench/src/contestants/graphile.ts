import { Logger, makeWorkerUtils, run, type Runner } from 'graphile-worker'
import { repeat, Tally } from '../loops.ts'
import { itemOf, itemsOf } from '../payload.ts'
import type { Contestant } from './contestant.ts'

const task = 'bench'
const fillBatch = 1_000
const silent = new Logger(() => () => undefined)

/** graphile-worker as its performance page has it: a local queue, and completions in batches. */
export async function openGraphile(url: string): Promise<Contestant> {
  const connection = { connectionString: url, maxPoolSize: 16, logger: silent }
  const adding = await makeWorkerUtils(connection)
  await adding.migrate()
  let waiting = 0
  const insert = (from: number, count: number, keys: number): Promise<unknown> =>
    adding.addJobs(
      itemsOf(from, count, keys).map(({ key, payload }) => ({
        identifier: task,
        payload,
        ...(key === null ? {} : { queueName: key }),
      })),
    )
  return {
    publish: async ({ ms, atOnce, keys, batch }) => {
      const { count } = await repeat({ ms, atOnce }, async (n) => {
        const { key, payload } = itemOf(n, keys)
        if (batch === 1) await adding.addJob(task, payload, key === null ? {} : { queueName: key })
        else await insert(n * batch, batch, keys)
        return batch
      })
      waiting += count
      return { count, ms }
    },
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      for (let from = 0; from < missing; from += fillBatch) await insert(from, fillBatch, keys)
      waiting += missing
      return { count: missing, ms: performance.now() - startedAt }
    },
    drain: async ({ ms, warmMs, atOnce }) => {
      const tally = new Tally({ ms, warmMs })
      const runner: Runner = await run({
        ...connection,
        noHandleSignals: true,
        taskList: { [task]: () => tally.add() },
        preset: {
          worker: {
            concurrentJobs: 3 * atOnce,
            localQueue: { size: 1_000 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
      })
      const result = await tally.result
      await runner.stop()
      waiting -= tally.seen
      return result
    },
    close: async () => {
      await adding.release()
    },
  }
}
