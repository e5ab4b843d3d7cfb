import { inspect } from 'node:util'
import { type AcuseError, type Credentials, CredentialSource, type CredentialsProvider } from '@acuse/core'
import { createVirtualClock, type VirtualClock } from '@acuse/testing'
import { describe, expect, it } from 'vitest'

const first = { username: 'shop', password: 'first-canary' }
const second = { username: 'shop', password: 'second-canary' }

interface Asked {
  readonly source: CredentialSource
  readonly clock: VirtualClock
  readonly errors: AcuseError[]
}

function asking(provider: CredentialsProvider): Asked {
  const clock = createVirtualClock()
  const errors: AcuseError[] = []
  const onError = (error: AcuseError): void => void errors.push(error)
  return { clock, errors, source: new CredentialSource({ provider, server: 'broker one:1', clock, onError }) }
}

const unavailable = (says: RegExp): object => ({
  code: 'ACUSE_TRANSPORT_UNAVAILABLE',
  message: expect.stringMatching(says),
})

describe('credentials', () => {
  it('are asked for anew each time, and what was given last is at hand', async () => {
    const given = [first, second]
    const { source } = asking(() => given.shift() ?? second)
    expect(await source.ask()).toEqual(first)
    expect(await source.ask()).toEqual(second)
    expect(source.last).toEqual(second)
  })

  it('are asked for once by all that want them at the same time', async () => {
    let count = 0
    const { source } = asking(async () => {
      count++
      return first
    })
    await Promise.all([source.ask(), source.ask()])
    expect(count).toBe(1)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('the vault is sealed')
      },
      /broker one:1: .*the vault is sealed/,
    ],
    ['rejects', () => Promise.reject(new Error('the vault is sealed')), /broker one:1: .*the vault is sealed/],
    ['gives something else', () => ({ user: 'shop' }) as unknown as Credentials, /no username and password/],
  ] as const)('that were never there are an error when who gives them %s', async (_how, provider, says) => {
    await expect(asking(provider).source.ask()).rejects.toMatchObject(unavailable(says))
  })

  it('have 3 s to come', async () => {
    const { source, clock } = asking(() => new Promise<never>(() => undefined))
    const asked = source.ask().catch((error: unknown) => error)
    await clock.advance({ ms: 2_999 })
    await clock.advance({ ms: 1 })
    expect(await asked).toMatchObject(unavailable(/no answer within 3000 ms/))
  })

  it('are those of before when who gives them fails, which is told once until it answers again', async () => {
    let fails = false
    const { source, errors } = asking(() => {
      if (fails) throw new Error('the vault is sealed')
      return first
    })
    for (fails of [false, true, true, false, true]) expect(await source.ask()).toEqual(first)
    expect(errors).toEqual(
      [unavailable(/sealed/), unavailable(/sealed/)].map((error) => expect.objectContaining(error)),
    )
  })

  it('show in no error, whatever who gives them says', async () => {
    const answers: CredentialsProvider[] = [
      () => first,
      () => second,
      () => {
        throw new Error(`neither ${first.password} nor ${second.password}`, { cause: second })
      },
    ]
    const { source, errors } = asking(() => answers.shift()?.() ?? second)
    for (let count = 0; count < 3; count++) await source.ask()
    const shown = inspect(errors, { depth: Infinity, showHidden: true })
    expect(shown).toContain('neither *** nor ***')
    for (const { password } of [first, second]) expect(shown).not.toContain(password)
  })
})
