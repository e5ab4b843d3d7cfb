import type { BrokerKind } from '../../brokers/broker.ts'
import { alternate, type Measure, type Row } from '../../measure.ts'
import { drainSlice, figuresOf } from '../../rates.ts'
import { ratiosOf } from '../../statistics.ts'

/** The most that a relay has unconfirmed. */
const window = 1_000
const waiting = 100_000

/** A relay that drains a log into the broker, against the plain client with as many unconfirmed. */
export function publishOf({ title, plain, durability, plainPublishes }: BrokerKind): Measure {
  return {
    name: 'publish',
    run: async (bench) => {
      const rows: Row[] = []
      for (const keys of [1_000, 0]) {
        const kind = keys === 0 ? 'unkeyed' : 'keyed'
        bench.say(` ${kind}`)
        const relay = await bench.start('relay', `${kind}-relay`)
        const client = await bench.start('plain', `${kind}-plain`)
        const { ms, warmMs } = drainSlice(bench, 1)
        const count = bench.options.quick ? waiting / 25 : waiting
        const { rates, costs } = await alternate(
          bench,
          {
            plain: () => client.publish({ ms, atOnce: window, keys, batch: 1 }),
            relay: () => relay.drain({ ms, warmMs, atOnce: 1, shared: 1 }),
          },
          async () => {
            await relay.load({ count, keys })
          },
        )
        await relay.close()
        await client.close()
        rows.push({
          measure: 'publish',
          what: `relay what waits in the log to ${title}, ${kind}`,
          against: plain,
          unit: 'times',
          value: ratiosOf(rates.relay, rates.plain),
          reach: { atLeast: 0.85 },
          figures: figuresOf(rates),
          costs,
          includes:
            `both: ${durability}; the same bytes, at most ${window.toLocaleString('en-US')} unconfirmed. ` +
            `relay: reading the log of PostgreSQL (fsync on), one message of a key at a time, storing cursors. plain: ${plainPublishes}.`,
        })
      }
      return rows
    },
  }
}
