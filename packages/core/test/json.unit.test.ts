import { AcuseError, cloudEvents, type Envelope, plainEnvelope } from '@acuse/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeJson, encodeJson } from '../src/json.ts'

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

describe('encoding JSON', () => {
  it.each([
    ['a BigInt', { a: [1n] }, 'a[0] is a BigInt'],
    ['a cycle', circular(), 'self refers back to itself'],
    ['NaN', { a: Number.NaN }, 'a is NaN'],
    ['1e400', { a: Number('1e400') }, 'a is Infinity'],
    ['NUL', { a: 'x\u0000y' }, 'a contains a NUL'],
    ['a NUL in a name', { 'x\u0000': 1 }, 'contains a NUL'],
    ['a lone surrogate', { a: '\ud800' }, 'half of a surrogate pair'],
    ['a function', { a: () => 1 }, 'a is a function'],
    ['a symbol', { a: Symbol('x') }, 'a is a symbol'],
    ['101 levels', nested(101), 'more than 100 levels'],
  ])('refuses %s with the place', (_what, value, reason) => {
    expect(() => encodeJson(value, 'message x')).toThrow(reason)
    expect(() => encodeJson(value, 'message x')).toThrow(AcuseError)
  })

  it('keeps every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value)
        fc.pre(
          !text.includes('\\u0000') && !text.includes('__proto__') && text.isWellFormed() && !/\\ud[89a-f]/.test(text),
        )
        expect(decodeJson(encodeJson(value, 'x'), 'x')).toEqual(JSON.parse(text))
      }),
    )
  })

  it('lets shared objects and dates through', () => {
    const shared = { at: new Date(0) }
    expect(JSON.parse(encodeJson([shared, shared, undefined], 'x').toString())).toEqual([
      { at: '1970-01-01T00:00:00.000Z' },
      { at: '1970-01-01T00:00:00.000Z' },
      null,
    ])
  })
})

describe('decoding JSON', () => {
  it('drops __proto__ members', () => {
    const value = decodeJson(Buffer.from('{"__proto__":{"admin":true},"a":{"__proto__":1,"b":2}}'), 'x')
    expect(Object.assign({}, value)).toEqual({ a: { b: 2 } })
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  it.each([
    ['cut off', Buffer.from('{"a":')],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['20,000 levels', Buffer.from('['.repeat(20_000) + ']'.repeat(20_000))],
  ])('refuses what is %s', (_what, body) => {
    expect(() => decodeJson(body, 'message x')).toThrow(/message x/)
  })

  it('reads an empty body as null, and brackets in strings as text', () => {
    expect(decodeJson(Buffer.alloc(0), 'x')).toBeNull()
    const text = '['.repeat(500)
    expect(decodeJson(Buffer.from(JSON.stringify({ text })), 'x')).toEqual({ text })
  })

  it('never throws anything but its own error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        try {
          decodeJson(body, 'x')
        } catch (error) {
          expect(error).toMatchObject({ code: 'ACUSE_UNDECODABLE' })
        }
      }),
    )
  })
})

const text = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 })
const optionalText = fc.option(text)
const envelopes: fc.Arbitrary<Envelope> = fc.record({
  id: fc.uuid(),
  type: fc.constant('order.placed'),
  version: fc.integer({ min: 1, max: 99 }),
  key: optionalText,
  source: text,
  time: fc.date({ min: new Date('1970-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }),
  priority: fc.constantFrom('normal', 'high', 'critical'),
  correlationId: text,
  causationId: optionalText,
  user: optionalText,
  tenant: optionalText,
  country: optionalText,
  traceparent: optionalText,
  tracestate: optionalText,
  data: fc.record({ a: fc.integer(), b: fc.array(fc.boolean()) }, { noNullPrototype: true }),
})

describe.each([cloudEvents(), cloudEvents({ mode: 'structured' }), plainEnvelope()])('codec $name', (codec) => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        expect(codec.decode(codec.encode(envelope))).toEqual(envelope)
      }),
    )
  })

  it('refuses what is no envelope', () => {
    for (const body of ['', '[]', 'null', '{}', '{"specversion":"1.0"}', '{"eventId":""}']) {
      expect(() => codec.decode({ headers: {}, body: Buffer.from(body) })).toThrow(
        expect.objectContaining({ code: 'ACUSE_UNDECODABLE' }),
      )
    }
  })
})

describe('codecs', () => {
  const [envelope] = fc.sample(envelopes, { numRuns: 1, seed: 1 }) as [Envelope]

  it('a header cannot be forged through a value', () => {
    expect(() => cloudEvents().encode({ ...envelope, tenant: 'a\r\nce-id: 1' })).toThrow(
      /tenant contains a control character/,
    )
    expect(() => cloudEvents().encode({ ...envelope, tenant: 'x'.repeat(1025) })).toThrow(/at most 1024/)
  })

  it('the plain envelope has the shape of the contract', () => {
    const fixed = {
      ...envelope,
      id: 'e1',
      version: 1,
      key: 'o1',
      time: new Date(0),
      source: 'inventory',
      correlationId: 'c1',
    }
    const nothing = { causationId: null, user: null, tenant: null, country: null, traceparent: null, tracestate: null }
    const { body } = plainEnvelope().encode({ ...fixed, ...nothing, priority: 'normal', data: { reservationId: 'r1' } })
    expect(JSON.parse(Buffer.from(body).toString())).toEqual({
      eventType: 'order.placed',
      eventId: 'e1',
      timestamp: '1970-01-01T00:00:00.000Z',
      version: '1.0',
      aggregateId: 'o1',
      data: { reservationId: 'r1' },
      metadata: { service: 'inventory', correlationId: 'c1' },
    })
  })
})
