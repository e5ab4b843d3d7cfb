import {
  AcuseError,
  deadLetter,
  DependencyDownError,
  exponential,
  type HandlerPublish,
  noRetry,
  retryAfter,
} from '@acuse/core'
import { describe, expect, it } from 'vitest'
import { Cancelled, effect, Noticed, Placed, setting } from './setting.ts'

const quick = exponential({ attempts: 3, baseMs: 1_000, maxMs: 10_000, jitter: 0 })

describe('a group', () => {
  it('applies each message once, with its writes and what it publishes', async () => {
    const { bus, clock, effects, database, told } = await setting((b) => {
      b.group()
        .on(Placed, async (message, { tx, publish, attempt, idempotencyKey }) => {
          await effect(tx, `placed ${message.data.orderId} ${attempt} ${idempotencyKey.length}`)
          publish(Noticed(message.data))
        })
        .on(Noticed, async (message, { tx }) => {
          await effect(
            tx,
            `noticed ${message.data.orderId} after ${message.causationId === null ? 'nothing' : 'placed'}`,
          )
        })
    })
    const { id, state } = await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.settle()
    expect(state).toBe('queued')
    expect(effects()).toEqual(['placed a 1 36', 'noticed a after placed'])
    expect(database.appended().map(({ type }) => type)).toEqual(['order.placed', 'order.noticed'])
    expect(told('applied').map((one) => one.id)[0]).toBe(id)
  })

  it('does not apply a message twice that was published twice under one id', async () => {
    const { bus, clock, effects, told } = await setting((b) => {
      b.group().on(Placed, (message, { tx }) => effect(tx, message.data.orderId))
    })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }), { id: 'same' })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }), { id: 'same' })
    await bus.publishNow(Placed({ orderId: 'a', n: 2 }), { id: 'same' })
    await clock.settle()
    expect(effects()).toEqual(['a'])
    expect(told('duplicate').map(({ conflict }) => conflict)).toEqual([false, true])
  })

  it('never delivers what was rolled back', async () => {
    const { bus, clock, effects, database } = await setting((b) => {
      b.group().on(Placed, (message, { tx }) => effect(tx, message.data.orderId))
    })
    const rolledBack = bus.transaction(async (tx, publish) => {
      publish(Placed({ orderId: 'a', n: 1 }))
      await bus.publish(tx, Placed({ orderId: 'b', n: 1 }))
      throw new Error('no')
    })
    await expect(rolledBack).rejects.toThrow('no')
    await clock.advance({ minutes: 1 })
    expect(effects()).toEqual([])
    expect(database.appended()).toEqual([])
  })

  it('keeps a cancellation behind the confirmation before it, which fails twice, while other keys go on', async () => {
    let failures = 2
    const { bus, clock, effects } = await setting((b) => {
      b.group({ retry: quick })
        .on(Placed, async (message, { tx }) => {
          await effect(tx, `placed ${message.data.orderId}`)
          if (message.data.orderId === 'a' && failures-- > 0) throw new Error('not yet')
        })
        .on(Cancelled, (message, { tx }) => effect(tx, `cancelled ${message.data.orderId}`))
    })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await bus.publishNow(Cancelled({ orderId: 'a', n: 2 }))
    await bus.publishNow(Placed({ orderId: 'b', n: 1 }))
    await bus.publishNow(Cancelled({ orderId: 'b', n: 2 }))
    await clock.settle()
    expect(effects()).toEqual(['placed b', 'cancelled b'])
    expect((await bus.state()).groups[0]?.parked).toEqual({ retry: 1, behind: 1 })
    await clock.advance({ seconds: 1 })
    expect(effects()).toHaveLength(2)
    await clock.advance({ seconds: 2 })
    expect(effects()).toEqual(['placed b', 'cancelled b', 'placed a', 'cancelled a'])
    expect((await bus.state()).groups[0]?.parked).toEqual({})
  })

  it("lets later messages overtake with whileRetrying 'continue'", async () => {
    let failures = 1
    const { bus, clock, effects } = await setting((b) => {
      b.group({ retry: quick, whileRetrying: 'continue' }).on(Placed, async (message, { tx }) => {
        await effect(tx, String(message.data.n))
        if (message.data.n === 1 && failures-- > 0) throw new Error('not yet')
      })
    })
    for (const n of [1, 2, 3]) await bus.publishNow(Placed({ orderId: 'a', n }))
    await clock.advance({ seconds: 3 })
    expect(effects()).toEqual(['2', '3', '1'])
  })

  it('dead-letters after the last attempt and keeps the raw message; replaying twice is replaying once', async () => {
    let broken = true
    const { bus, clock, effects, told } = await setting((b) => {
      b.group({ retry: quick }).on(Placed, async (message, { tx }) => {
        await effect(tx, `${message.data.orderId}${message.data.n}`)
        if (message.data.n === 1 && broken) throw new Error(`order ${message.data.orderId} is broken`)
      })
    })
    for (const n of [1, 2]) await bus.publishNow(Placed({ orderId: 'a', n }))
    await clock.advance({ minutes: 1 })
    expect(effects()).toEqual(['a2'])
    expect(told('failed').map(({ attempts }) => attempts)).toEqual([1, 2, 3])
    const [letter] = await bus.deadLetters.list()
    expect(letter).toMatchObject({
      group: 'shop',
      reason: 'attempts-exhausted',
      attempts: 3,
      state: 'dead',
      blocking: false,
    })
    expect(JSON.parse(Buffer.from(letter?.message.body ?? []).toString())).toEqual({ orderId: 'a', n: 1 })
    expect(letter?.error.message).toBe('order a is broken')
    broken = false
    expect(await bus.deadLetters.replay({ group: 'shop' })).toBe(1)
    expect(await bus.deadLetters.replay({ group: 'shop' })).toBe(0)
    await clock.advance({ seconds: 2 })
    expect(effects()).toEqual(['a2', 'a1'])
    expect((await bus.deadLetters.list({ state: 'replayed' })).length).toBe(1)
  })

  it("holds the key with afterDeadLetter 'block' until the operator replays or discards", async () => {
    let broken = true
    const { bus, clock, effects } = await setting((b) => {
      b.group({ retry: noRetry, afterDeadLetter: 'block' }).on(Placed, async (message, { tx }) => {
        await effect(tx, `${message.data.orderId}${message.data.n}`)
        if (message.data.n === 1 && broken) throw new Error('broken')
      })
    })
    for (const orderId of ['a', 'b']) for (const n of [1, 2, 3]) await bus.publishNow(Placed({ orderId, n }))
    await clock.advance({ minutes: 1 })
    expect(effects()).toEqual([])
    broken = false
    const [first] = await bus.deadLetters.list({ key: 'a' })
    await bus.deadLetters.replay({ ids: [first?.id ?? ''] })
    await clock.advance({ seconds: 5 })
    expect(effects()).toEqual(['a1', 'a2', 'a3'])
    expect(await bus.deadLetters.discard({ key: 'b' })).toBe(1)
    await clock.advance({ seconds: 5 })
    expect(effects()).toEqual(['a1', 'a2', 'a3', 'b2', 'b3'])
  })

  it('lets a handler decide itself', async () => {
    const { bus, clock, effects } = await setting((b) => {
      b.group({ retry: quick }).on(Placed, async (message, { tx, attempt }) => {
        await effect(tx, `${message.data.orderId} at attempt ${attempt}`)
        if (message.data.orderId === 'later' && attempt === 1) return retryAfter(30_000)
        if (message.data.orderId === 'never') return deadLetter('not one of ours')
        return undefined
      })
    })
    await bus.publishNow(Placed({ orderId: 'later', n: 1 }))
    await bus.publishNow(Placed({ orderId: 'never', n: 1 }))
    await clock.advance({ seconds: 29 })
    expect(effects()).toEqual([])
    await clock.advance({ seconds: 2 })
    expect(effects()).toEqual(['later at attempt 2'])
    const [letter] = await bus.deadLetters.list()
    expect(letter).toMatchObject({ reason: 'handler-decided', error: { message: 'not one of ours' } })
  })

  it('records what is thrown, whatever it is', async () => {
    const thrown: unknown[] = ['text', undefined, { odd: true }, null]
    const { bus, clock } = await setting((b) => {
      b.group({ retry: noRetry }).on(Noticed, (message) => {
        throw thrown[message.data.n]
      })
    })
    for (const n of thrown.keys()) await bus.publishNow(Noticed({ orderId: 'a', n }))
    await clock.advance({ seconds: 1 })
    const letters = await bus.deadLetters.list()
    expect(letters.map(({ error }) => error.message)).toEqual(['text', 'undefined', '[object Object]', 'null'])
    expect(new Set(letters.map(({ fingerprint }) => fingerprint)).size).toBe(4)
  })

  it('refuses a publish after the handler has returned', async () => {
    let kept: HandlerPublish | undefined
    const { bus, clock, database } = await setting((b) => {
      b.group().on(Placed, (_message, { publish }) => void (kept = publish))
    })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.settle()
    expect(() => kept?.(Noticed({ orderId: 'a', n: 1 }))).toThrow(
      expect.objectContaining({ code: 'ACUSE_PUBLISH_AFTER_HANDLER' }),
    )
    expect(database.appended()).toHaveLength(1)
  })

  it('abandons a handler that never settles, and tries again', async () => {
    let calls = 0
    let aborted = false
    const { bus, clock, effects } = await setting((b) => {
      b.group({ retry: quick, timeoutMs: 5_000 }).on(Placed, async (message, { tx, signal }) => {
        signal.addEventListener('abort', () => (aborted = true))
        if (++calls === 1) await new Promise(() => undefined)
        await effect(tx, message.data.orderId)
      })
    })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ seconds: 10 })
    expect({ calls, aborted, effects: effects() }).toEqual({ calls: 2, aborted: true, effects: ['a'] })
  })

  it('spends no attempt on conflicts and outages of its own database', async () => {
    const { bus, clock, effects, database, told } = await setting((b) => {
      b.group({ retry: noRetry }).on(Placed, (message, { tx }) => effect(tx, message.data.orderId))
    })
    database.failNext('commit', Object.assign(new Error('could not serialize'), { code: '40001' }))
    await bus.publishNow(Placed({ orderId: 'a', n: 1 })).catch(() => undefined)
    await bus.publishNow(Placed({ orderId: 'b', n: 1 }))
    database.failNext('accept', new AcuseError('ACUSE_STORE_UNAVAILABLE', 'gone'))
    database.failNext('begin', new AcuseError('ACUSE_STORE_UNAVAILABLE', 'gone'))
    await clock.advance({ seconds: 10 })
    expect(effects()).toEqual(['b'])
    expect(told('failed')).toEqual([])
  })

  it('does a batch in one transaction, and halves it until the failing one stands alone', async () => {
    const sizes: number[] = []
    const { bus, clock, effects } = await setting((b) => {
      b.group({ retry: noRetry }).onBatch(
        Noticed,
        async (messages, { tx }) => {
          sizes.push(messages.length)
          for (const { data } of messages) {
            await effect(tx, String(data.n))
            if (data.n === 5) throw new Error('five')
          }
        },
        { most: 8, waitMs: 50 },
      )
    })
    for (let n = 0; n < 8; n++) await bus.publishNow(Noticed({ orderId: 'a', n }))
    await clock.advance({ seconds: 1 })
    expect(effects().toSorted()).toEqual(['0', '1', '2', '3', '4', '6', '7'])
    expect(sizes[0]).toBe(8)
    expect((await bus.deadLetters.list()).map(({ reason }) => reason)).toEqual(['attempts-exhausted'])
  })

  it('shares an effect transaction on request, and does each again alone when one fails', async () => {
    const { bus, clock, effects, told } = await setting((b) => {
      b.group({ retry: noRetry, sharedTransaction: 10, concurrency: 1 }).on(Placed, async (message, { tx }) => {
        await effect(tx, String(message.data.n))
        if (message.data.n === 3) throw new Error('three')
      })
    })
    for (let n = 0; n < 6; n++) await bus.publishNow(Placed({ orderId: 'a', n }))
    await clock.advance({ seconds: 1 })
    expect(effects()).toEqual(['0', '1', '2', '4', '5'])
    expect(told('dead')).toHaveLength(1)
  })

  it('opens the breaker while a dependency is down, spending no attempts, and goes on when it is back', async () => {
    let down = true
    let calls = 0
    const { bus, clock, effects, told } = await setting((b) => {
      b.group({ retry: noRetry, breaker: true, concurrency: 1 }).on(Noticed, async (message, { tx }) => {
        calls++
        if (down) throw new DependencyDownError('the gateway')
        await effect(tx, String(message.data.n))
      })
    })
    for (let n = 0; n < 20; n++) await bus.publishNow(Noticed({ orderId: 'a', n }))
    await clock.advance({ seconds: 10 })
    expect(calls).toBe(5)
    expect((await bus.state()).groups[0]?.breaker).toBe('open')
    await clock.advance({ minutes: 10 })
    expect(calls).toBeLessThan(5 + 25)
    expect(told('dead')).toEqual([])
    down = false
    await clock.advance({ minutes: 3 })
    expect(
      effects()
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect((await bus.state()).groups[0]?.breaker).toBe('closed')
  })
})

describe('a breaker that opened', () => {
  it('is tried again by new deliveries when nothing is left of what tripped it', async () => {
    let down = true
    const { bus, clock, effects } = await setting((b) => {
      b.group({ breaker: { unavailableMaxMs: 60_000 } }).on(Placed, async ({ data }, { tx }) => {
        if (down) throw new DependencyDownError('the gateway')
        await effect(tx, data.orderId)
      })
    })
    for (let n = 0; n < 5; n++) await bus.publishNow(Placed({ orderId: `early-${n}`, n }))
    await clock.advance({ minutes: 15 })
    expect((await bus.deadLetters.list({ reason: 'dependency-down' })).length).toBe(5)
    expect((await bus.state()).groups[0]).toMatchObject({ breaker: 'open', parked: {} })
    down = false
    for (let n = 0; n < 20; n++) await bus.publishNow(Placed({ orderId: `late-${n}`, n }))
    await clock.advance({ minutes: 2 })
    expect(effects()).toHaveLength(20)
  })
})

describe('a breaker that is still closed', () => {
  it('lets a message whose answer was lost try again soon, spending no attempt', async () => {
    let lost = true
    const { bus, clock, effects, told } = await setting((b) => {
      b.group({ retry: noRetry, breaker: true }).on(Noticed, async (message, { tx, attempt }) => {
        if (lost) throw new DependencyDownError('the gateway')
        await effect(tx, `${message.data.n} at attempt ${attempt}`)
      })
    })
    await bus.publishNow(Noticed({ orderId: 'a', n: 0 }))
    await clock.settle()
    lost = false
    await clock.advance({ seconds: 2 })
    expect(effects()).toEqual(['0 at attempt 1'])
    expect(told('dead')).toEqual([])
  })
})

describe('under load', () => {
  it('a retry gets its turn although fresh messages take every place', async () => {
    const order: number[] = []
    const { bus, clock } = await setting((b) => {
      b.group({ retry: quick, concurrency: 1 }).on(Noticed, async (message, { attempt }) => {
        await new Promise<void>((resolve) => clockNow().after(100, resolve))
        if (message.data.n === 0 && attempt === 1) throw new Error('not yet')
        order.push(message.data.n)
      })
    })
    const clockNow = (): typeof clock => clock
    await bus.transaction(async (_tx, publish) => {
      for (let n = 0; n < 100; n++) publish(Noticed({ orderId: 'a', n }))
    })
    await clock.advance({ minutes: 1 })
    expect(order).toHaveLength(100)
    expect(order.indexOf(0)).toBeLessThan(30)
  })

  it('a claim that waits for its place keeps its lease', async () => {
    let running = 0
    const { bus, clock, told } = await setting((b) => {
      b.group({ retry: quick, concurrency: 2, leaseMs: 1_000 }).onExternal(Noticed, async (message, { attempt }) => {
        running++
        await new Promise<void>((resolve) => clockNow().after(5_000, resolve))
        if (attempt === 1 && message.data.n < 6) throw new Error('not yet')
      })
    })
    const clockNow = (): typeof clock => clock
    await bus.transaction(async (_tx, publish) => {
      for (let n = 0; n < 12; n++) publish(Noticed({ orderId: 'a', n }))
    })
    await clock.advance({ minutes: 5 })
    expect(told('applied')).toHaveLength(12)
    expect(running).toBe(18)
  })

  it('a handler that always ends its own connection is dead-lettered in the end', async () => {
    const { bus, clock } = await setting((b) => {
      b.group({ retry: noRetry }).on(Noticed, (_message, { tx }) => {
        // The in-memory transaction is over after this, as one on a broken connection is.
        ;(tx as unknown as { rollback: () => void }).rollback()
        throw new AcuseError('ACUSE_STORE_UNAVAILABLE', 'terminating connection')
      })
    })
    await bus.publishNow(Noticed({ orderId: 'a', n: 0 }))
    await clock.advance({ minutes: 5 })
    expect(await bus.deadLetters.list()).toHaveLength(1)
  })
})
