import {
  deadLetter,
  type ExternalContext,
  exponential,
  type HandlerContext,
  type Message,
  noRetry,
  type Outcome,
} from '@acuse/core'
import type { MemoryTx } from '@acuse/testing'
import { Controller, Inject, Injectable } from '@nestjs/common'
import { describe, expect, it, vi } from 'vitest'
import { Group, On, OnBatch, OnExternal } from '../src/index.ts'
import { started } from './application.ts'
import { InvoiceSent, OrderCancelled, type OrderData, OrderPlaced, StockReserved, type InvoiceOut } from './messages.ts'

type Context = HandlerContext<MemoryTx>

@Injectable()
class Shelf {
  readonly name: string = 'north'
}

describe('a handler', () => {
  it('is a method of a provider, with what was injected into it', async () => {
    @Group()
    @Injectable()
    class Reservations {
      readonly #shelf: Shelf

      constructor(@Inject(Shelf) shelf: Shelf) {
        this.#shelf = shelf
      }

      @On(OrderPlaced)
      async reserve({ data }: Message<OrderData>, { tx, publish }: Context): Promise<void> {
        tx.table('reservations').set(data.orderId, this.#shelf.name)
        publish(StockReserved(data))
      }
    }
    const { test } = await started({ providers: [Shelf, Reservations] })
    await test.bus.publishNow(OrderPlaced({ orderId: 'one' }))
    await test.settle()
    expect(test.database.table('reservations').get('one')).toBe('north')
    expect(test.applied(OrderPlaced)).toMatchObject([{ group: 'orders' }])
    expect(test.published(StockReserved).map(({ data }) => data)).toEqual([{ orderId: 'one' }])
  })

  it('may be one of a batch, or call the world, or take several types', async () => {
    const seen: unknown[] = []
    @Group('mail')
    @Injectable()
    class Mail {
      @OnBatch(OrderPlaced, { most: 10, waitMs: 100 })
      async placed(orders: readonly Message<OrderData>[]): Promise<void> {
        seen.push(orders.map(({ data }) => data.orderId))
      }

      @OnExternal(InvoiceSent, { delivery: 'at-most-once' })
      async send({ data }: Message<InvoiceOut>, { idempotencyKey }: ExternalContext): Promise<void> {
        seen.push([data.total, typeof idempotencyKey])
      }

      @On(OrderCancelled)
      @On(StockReserved)
      changed({ type }: Message<OrderData>): void {
        seen.push(type)
      }
    }
    const { test } = await started({ providers: [Mail] })
    await test.bus.publishNow(OrderPlaced({ orderId: 'one' }))
    await test.bus.publishNow(OrderPlaced({ orderId: 'two' }))
    await test.advance({ ms: 100 })
    await test.bus.publishNow(InvoiceSent({ orderId: 'one', total: '12.5' }))
    await test.bus.publishNow(OrderCancelled({ orderId: 'one' }))
    await test.settle()
    await test.bus.publishNow(StockReserved({ orderId: 'one' }))
    await test.settle()
    expect(seen).toEqual([['one', 'two'], [12.5, 'string'], 'order.cancelled', 'stock.reserved'])
  })

  it('decides itself, or leaves it to the retry policy of its group', async () => {
    let attempts = 0
    @Group({ retry: exponential({ attempts: 3, baseMs: 1_000, maxMs: 5_000 }) })
    @Injectable()
    class Reservations {
      @On(OrderPlaced)
      reserve(): void {
        attempts++
        throw new Error('the shelf is empty')
      }

      @On(OrderCancelled)
      release(): Outcome {
        return deadLetter('it was never reserved')
      }
    }
    const { test } = await started({ providers: [Reservations] })
    await test.bus.publishNow(OrderPlaced({ orderId: 'one' }))
    await test.bus.publishNow(OrderCancelled({ orderId: 'two' }))
    await test.advance({ seconds: 10 })
    expect(attempts).toBe(3)
    expect((await test.deadLetters()).map(({ error }) => error.message)).toEqual([
      'it was never reserved',
      'the shelf is empty',
    ])
  })

  it('may be in a controller, and in a class that another one extends', async () => {
    const seen: string[] = []
    abstract class Noting {
      @On(OrderPlaced)
      placed({ data }: Message<OrderData>): void {
        seen.push(`${this.name} placed ${data.orderId}`)
      }

      @On(OrderCancelled)
      cancelled({ data }: Message<OrderData>): void {
        seen.push(`${this.name} cancelled ${data.orderId}`)
      }

      abstract get name(): string
    }
    @Group('first')
    @Controller()
    class First extends Noting {
      readonly name = 'first'

      override cancelled({ data }: Message<OrderData>): void {
        seen.push(`first overrides ${data.orderId}`)
      }
    }
    @Group('second')
    @Injectable()
    class Second extends Noting {
      readonly name = 'second'

      @OnExternal(OrderCancelled)
      override cancelled({ data }: Message<OrderData>): void {
        seen.push(`second tells the world ${data.orderId}`)
      }
    }
    const { test } = await started({ controllers: [First], providers: [Second] })
    await test.bus.publishNow(OrderPlaced({ orderId: 'one' }))
    await test.bus.publishNow(OrderCancelled({ orderId: 'one' }))
    await test.settle()
    expect(seen.toSorted()).toEqual([
      'first overrides one',
      'first placed one',
      'second placed one',
      'second tells the world one',
    ])
  })

  it('is found whatever decorators wrap it, and may be replaced by a test', async () => {
    const calls: string[] = []
    const traced = (_target: object, _name: string, descriptor: PropertyDescriptor): void => {
      const original = descriptor.value as (...parameters: unknown[]) => unknown
      descriptor.value = function (this: unknown, ...parameters: unknown[]): unknown {
        calls.push('traced')
        return original.apply(this, parameters)
      }
    }
    @Group()
    @Injectable()
    class Reservations {
      @traced
      @On(OrderPlaced)
      reserve(): void {
        calls.push('reserved')
      }
    }
    const { test, module } = await started({ providers: [Reservations] })
    await test.bus.publishNow(OrderPlaced({ orderId: 'one' }))
    await test.settle()
    vi.spyOn(module.get(Reservations), 'reserve').mockImplementation(() => void calls.push('replaced'))
    await test.bus.publishNow(OrderPlaced({ orderId: 'one' }))
    await test.settle()
    expect(calls).toEqual(['traced', 'reserved', 'replaced'])
  })

  it('shares its group with other classes, one of which says its options', async () => {
    @Group('stock', { retry: noRetry })
    @Injectable()
    class Reservations {
      @On(OrderPlaced)
      reserve(): void {
        throw new Error('no')
      }
    }
    @Group('stock')
    @Injectable()
    class Releases {
      @On(OrderCancelled)
      release(): void {
        throw new Error('no')
      }
    }
    const { test } = await started({ providers: [Reservations, Releases, { provide: 'alias', useExisting: Releases }] })
    await test.bus.publishNow(OrderPlaced({ orderId: 'one' }))
    await test.bus.publishNow(OrderCancelled({ orderId: 'one' }))
    await test.settle()
    expect((await test.deadLetters()).map(({ group, attempts }) => [group, attempts])).toEqual([
      ['stock', 1],
      ['stock', 1],
    ])
  })

  it('is a compile error where its method does not fit the message', () => {
    class Misfits {
      // @ts-expect-error -- handlers get the schema's output, in which total is a number
      @On(InvoiceSent)
      total(_invoice: Message<{ orderId: string; total: string }>): void {}

      // @ts-expect-error -- one message, not several
      @On(OrderPlaced)
      several(_orders: readonly Message<OrderData>[]): void {}

      // @ts-expect-error -- several messages, not one
      @OnBatch(OrderPlaced)
      one(_order: Message<OrderData>): void {}

      // @ts-expect-error -- an external handler has no transaction
      @OnExternal(OrderPlaced)
      world(_order: Message<OrderData>, _context: Context): void {}

      // @ts-expect-error -- a number decides nothing
      @On(OrderPlaced)
      outcome(_order: Message<OrderData>): number {
        return 1
      }

      @On(InvoiceSent)
      part(_invoice: Message<{ orderId: string }>): void {}
    }
    expect(Misfits).toBeDefined()
  })
})
