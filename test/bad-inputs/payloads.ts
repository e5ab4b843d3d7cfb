import type { AcuseError, Bus } from '@acuse/core'
import type { PoolClient } from 'pg'
import { expect } from 'vitest'
import { type Case, effect, Order, orders, quick, type Shop, shop } from './shop.ts'

const applies = (bus: Bus<PoolClient>): void => {
  bus.group(quick).on(Order, ({ data }, { tx }) => effect(tx, data.id))
}

const headers = {
  'ce-specversion': '1.0',
  'ce-id': 'x',
  'ce-source': 'elsewhere',
  'ce-type': 'order',
  'ce-typeversion': '2',
}

/** Writes a message as a stranger would: straight into the log, past every check of the publisher. */
async function inject(
  at: Shop,
  body: string,
  changed: Readonly<Record<string, string>> = {},
  type = 'order',
): Promise<void> {
  const given: Record<string, string> = { ...headers, ...changed }
  for (const [name, value] of Object.entries(given)) if (value === '') delete given[name]
  await at.pool.query(
    `select acuse.log_append(array[name], array[id]::int[], array[id * 1024], array['raw'], array[$1], array[$2], $3, $4, null)
     from acuse.stream where name = 'orders'`,
    [`raw-${Math.random()}`, type, JSON.stringify(given), Buffer.from(body).toString('base64')],
  )
}

/** What a stranger wrote becomes a dead letter with its bytes; a good message behind it is applied. */
function deadOnArrival(
  n: number,
  what: string,
  code: string,
  body: string,
  changed: Readonly<Record<string, string>> = {},
): Case {
  return {
    n,
    what,
    run: async () => {
      const at = await shop(applies)
      await inject(at, body, changed)
      await at.bus.publishNow(Order({ id: 'good' }))
      const [letter] = await at.untilDead(1)
      expect(letter).toMatchObject({ reason: 'undecodable', error: { code } })
      expect(Buffer.from(letter?.message.body ?? []).toString()).toBe(body)
      await at.untilEffects(['good'])
    },
  }
}

/** The publisher is told at once, inside its transaction, which goes on and commits without the message. */
function refusedAtPublish(n: number, what: string, code: AcuseError['code'], note: () => unknown, options = {}): Case {
  return {
    n,
    what,
    run: async () => {
      const at = await shop(applies, options)
      const client = await at.pool.connect()
      try {
        await client.query('begin')
        await expect(at.bus.publish(client, Order({ id: 'bad', note: note() }))).rejects.toMatchObject({ code })
        await effect(client, 'the transaction goes on')
        await at.bus.publish(client, Order({ id: 'good' }))
        await client.query('commit')
      } finally {
        client.release()
      }
      await at.untilEffects(['the transaction goes on', 'good'])
    },
  }
}

function circular(): object {
  const one: { self?: object } = {}
  one.self = one
  return one
}

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

export const payloadCases: readonly Case[] = [
  deadOnArrival(1, 'invalid JSON', 'ACUSE_UNDECODABLE', '{"id":'),
  deadOnArrival(2, 'a schema mismatch', 'ACUSE_SCHEMA_MISMATCH', '{"id":7}'),
  {
    n: 3,
    what: 'an unknown type in a stream is left alone by the group',
    run: async () => {
      const at = await shop(applies)
      await inject(at, '{}', {}, 'order.nobody.knows')
      await at.bus.publishNow(Order({ id: 'good' }))
      await at.untilEffects(['good'])
      expect(await at.bus.deadLetters.list()).toEqual([])
    },
  },
  deadOnArrival(4, 'an unknown version', 'ACUSE_UNKNOWN_VERSION', '{"id":"a"}', { 'ce-typeversion': '3' }),
  refusedAtPublish(5, 'an oversize message', 'ACUSE_MESSAGE_TOO_LARGE', () => 'x'.repeat(2_000), {
    maxMessageBytes: 1_000,
  }),
  refusedAtPublish(6, 'a NUL character', 'ACUSE_UNENCODABLE', () => 'a\u0000b'),
  refusedAtPublish(7, 'a BigInt', 'ACUSE_UNENCODABLE', () => 10n),
  refusedAtPublish(8, 'a circular value', 'ACUSE_UNENCODABLE', circular),
  refusedAtPublish(9, 'a lone surrogate', 'ACUSE_UNENCODABLE', () => '\ud83d'),
  refusedAtPublish(10, '1e400', 'ACUSE_UNENCODABLE', () => Number('1e400')),
  refusedAtPublish(11, 'deep nesting, published', 'ACUSE_UNENCODABLE', () => nested(101)),
  deadOnArrival(11, 'deep nesting, received', 'ACUSE_UNDECODABLE', `${'['.repeat(20_000)}${']'.repeat(20_000)}`),
  {
    n: 12,
    what: '__proto__ is inert',
    run: async () => {
      let seen: unknown
      const at = await shop((bus) => {
        bus.group(quick).on(Order, async ({ data }, { tx }) => {
          seen = Object.assign({}, data.note)
          await effect(tx, data.id)
        })
      })
      await inject(at, '{"id":"a","note":{"__proto__":{"admin":true},"b":1},"__proto__":{"admin":true}}')
      await at.untilEffects(['a'])
      expect(seen).toEqual({ b: 1 })
      expect(({} as { admin?: boolean }).admin).toBeUndefined()
    },
  },
  deadOnArrival(13, 'a missing id, received', 'ACUSE_UNDECODABLE', '{"id":"a"}', { 'ce-id': '' }),
  {
    n: 13,
    what: 'an empty id, published',
    run: async () => {
      const at = await shop(applies)
      await expect(at.bus.publishNow(Order({ id: 'a' }), { id: '' })).rejects.toMatchObject({
        code: 'ACUSE_UNENCODABLE',
      })
    },
  },
  {
    n: 14,
    what: 'the same id with another body has one effect, and is told as a conflict',
    run: async () => {
      const { listen } = await import('@acuse/core')
      const conflicts: string[] = []
      const stop = listen('duplicate', ({ id, conflict }) => void (conflict && conflicts.push(id)))
      const at = await shop(applies)
      await at.bus.publishNow(Order({ id: 'a' }), { id: 'same' })
      await at.bus.publishNow(Order({ id: 'a', note: 'another' }), { id: 'same' })
      await at.bus.publishNow(Order({ id: 'a' }))
      await at.untilEffects(['a', 'a'])
      stop()
      expect(conflicts).toEqual(['same'])
      expect(orders.name).toBe('orders')
    },
  },
]
