import type { BrokerKind } from '../../brokers/broker.ts'
import type { Counted } from '../../contestants/contestant.ts'
import { alternate, type Measure, type Row } from '../../measure.ts'
import { drainSlice, figuresOf } from '../../rates.ts'
import { ratiosOf, type Spread } from '../../statistics.ts'

const keys = 1_000
const sharing = 100
const mostUnacked = 1_000
const least = 0.6

/** A group that consumes with its inbox, against the plain client and the peer with nothing of the kind. */
export function consumeOf(kind: BrokerKind): Measure {
  return {
    name: 'consume',
    run: async (bench) => {
      const each = await bench.start('group', 'each')
      const shared = await bench.start('group', 'shared')
      const plain = await bench.start('plain', 'plain')
      const peer = kind.peer === null ? undefined : await bench.start(kind.peer.actor, 'peer')
      const draining = [each, shared, plain, ...(peer === undefined ? [] : [peer])]
      const count = bench.options.quick ? kind.backlog / 25 : kind.backlog
      const slices: Record<string, () => Promise<Counted>> = {
        plain: () => plain.drain({ ...drainSlice(bench, 1), atOnce: mostUnacked }),
        each: () => each.drain(drainSlice(bench, 1)),
        shared: () => shared.drain(drainSlice(bench, sharing)),
      }
      if (peer !== undefined) slices['peer'] = () => peer.drain(drainSlice(bench, 1))
      const { rates, costs } = await alternate(bench, slices, async () => {
        for (const one of draining) await one.load({ count, keys })
      })
      return rowsOf(kind, rates, costs)
    },
  }
}

type Rates = Readonly<Record<string, readonly number[]>>

function rowsOf(kind: BrokerKind, rates: Rates, costs: NonNullable<Row['costs']>): Row[] {
  const { title, plain, peer, durability, plainConsumes } = kind
  const common = {
    measure: 'consume',
    unit: 'times',
    figures: figuresOf(rates),
    costs,
    includes:
      `all: ${durability}; keyed messages. Acuse: eight handlers at once that do nothing, an inbox row a message in PostgreSQL (fsync on), ` +
      `each in a transaction of its own, or up to ${sharing} in one (sharedTransaction). ${plain}: ${plainConsumes}. ${peer?.includes ?? ''}`.trim(),
  } as const
  return (['each', 'shared'] as const).flatMap((how) => {
    const what = `consume from ${title}, ${how === 'each' ? 'a transaction each' : 'transactions shared'}`
    const row = { ...common, what }
    const valueTo = (other: string): Spread => ratiosOf(rates[how] ?? [], rates[other] ?? [])
    const againstPlain = { ...row, against: plain, value: valueTo('plain'), reach: { atLeast: least } }
    if (peer === null) return [againstPlain]
    return [againstPlain, { ...row, against: peer.title, value: valueTo('peer'), reach: { atLeast: 1 } }]
  })
}
