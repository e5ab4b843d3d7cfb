import { AcuseError, type Message } from '@acuse/core'
import { Inject, Injectable, Scope, type Type } from '@nestjs/common'
import { describe, expect, it } from 'vitest'
import { AcuseModule, Group, On } from '../src/index.ts'
import { compiled, notOpened } from './application.ts'
import { type OrderData, OrderPlaced } from './messages.ts'

async function failureOf(
  providers: Type[],
  imports: ReturnType<typeof AcuseModule.forRoot>[] = [],
): Promise<AcuseError> {
  const { module } = await compiled({ providers, imports })
  const failure: unknown = await module.init().then(
    () => undefined,
    (error: unknown) => error,
  )
  if (failure instanceof AcuseError) return failure
  throw new Error('it started, or failed in another way', { cause: failure })
}

@Group()
@Injectable()
class Reservations {
  @On(OrderPlaced)
  reserve(_order: Message<OrderData>): void {}
}

describe('the start is refused', () => {
  it('for two handlers of one type in a group, naming both the method and the group', async () => {
    @Group()
    @Injectable()
    class Again {
      @On(OrderPlaced)
      reserve(): void {}
    }
    const failure = await failureOf([Reservations, Again])
    expect(failure.code).toBe('ACUSE_DUPLICATE_HANDLER')
    expect(failure.message).toBe(
      'Again.reserve, @On(order.placed): group orders has a handler for order.placed already. Use another group for a second one.',
    )
  })

  it('for a provider that is request-scoped, by itself or by what it injects', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Visitor {}
    @Group()
    @Injectable()
    class PerVisitor {
      readonly visitor: Visitor

      constructor(@Inject(Visitor) visitor: Visitor) {
        this.visitor = visitor
      }

      @On(OrderPlaced)
      reserve(): void {}
    }
    @Group()
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest extends Reservations {}
    @Group()
    @Injectable({ scope: Scope.TRANSIENT })
    class PerUse extends Reservations {}
    for (const one of [PerVisitor, PerRequest, PerUse]) {
      const failure = await failureOf([Visitor, one])
      expect(failure.code).toBe('ACUSE_CONFIGURATION')
      expect(failure.message).toContain(
        `${one.name} has message handlers but is ${one === PerUse ? 'transient' : 'request-scoped'}`,
      )
    }
  })

  it('for handlers without a group and a group without handlers', async () => {
    @Injectable()
    class Lost {
      @On(OrderPlaced)
      reserve(): void {}
    }
    @Group('empty')
    @Injectable()
    class Empty {}
    expect((await failureOf([Lost])).message).toContain('Lost.reserve has @On(order.placed), but Lost has no @Group()')
    expect((await failureOf([Empty])).message).toContain('Empty has @Group(), but no method')
  })

  it('for a group that two classes give options to, or with options that make no sense', async () => {
    @Group({ concurrency: 2 })
    @Injectable()
    class Two extends Reservations {}
    @Group({ concurrency: 3 })
    @Injectable()
    class Three extends Reservations {}
    @Group({ concurrency: 0 })
    @Injectable()
    class None extends Reservations {}
    expect((await failureOf([Two, Three])).message).toMatch(/^Two and Three both give options to group orders/)
    expect((await failureOf([None])).message).toContain('None: group orders: concurrency')
  })

  it('for a bus that does not exist, and for one that does twice', async () => {
    @Group({ bus: 'audit' })
    @Injectable()
    class Audit extends Reservations {}
    expect((await failureOf([Audit])).message).toBe(
      'Audit asks for bus audit, but the application has only the default bus.',
    )
    expect((await failureOf([], [AcuseModule.forRoot(notOpened)])).message).toContain(
      'the default bus is declared twice',
    )
  })
})
