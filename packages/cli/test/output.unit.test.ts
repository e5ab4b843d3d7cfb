import { describe, expect, it } from 'vitest'
import { shown, storeUrl } from '../src/database-options.ts'
import { filterOf } from '../src/letter-filter.ts'
import { letterDocument } from '../src/letter-text.ts'
import { counted, table } from '../src/output.ts'

const letter = {
  id: '1',
  group: 'billing',
  state: 'dead',
  diedAt: new Date(0),
  blocking: false,
  reason: 'undecodable',
  error: { code: null, name: 'Error', message: 'no', stack: null },
  fingerprint: 'f',
  attempts: 1,
} as const
const message = { id: 'm', type: 't', stream: 's', key: null, priority: 'normal', headers: {} } as const

describe('the output', () => {
  it('keeps a cell to one line and no longer than a screen', () => {
    expect(
      table(
        ['A', 'LONG'],
        [
          ['one\ntwo', 'x'.repeat(200)],
          ['1', ''],
        ],
      ),
    ).toBe([`A        LONG`, `one two  ${'x'.repeat(79)}…`, '1'].join('\n'))
  })

  it('counts in words', () => {
    expect([0, 1, 1_234].map((count) => counted(count, 'message'))).toEqual([
      '0 messages',
      '1 message',
      '1,234 messages',
    ])
  })

  it('shows a body as text where it is text, and in base64 where it is not', () => {
    expect(letterDocument({ ...letter, message: { ...message, body: Buffer.from('{"ñ":1}') } })).toMatchObject({
      id: '1',
      message: { body: '{"ñ":1}', encoding: 'utf-8' },
    })
    expect(letterDocument({ ...letter, message: { ...message, body: Buffer.from([0xff, 0]) } })).toMatchObject({
      message: { body: '/wA=', encoding: 'base64' },
    })
  })
})

describe('the options', () => {
  it('take the database from what is said, then from the environment', () => {
    const environment = { ACUSE_STORE: 'postgres://first/a', DATABASE_URL: 'postgres://second/b' }
    expect(storeUrl({ store: 'postgresql://said/c', schema: 'acuse' }, environment)).toBe('postgresql://said/c')
    expect(storeUrl({ schema: 'acuse' }, environment)).toBe('postgres://first/a')
    expect(storeUrl({ schema: 'acuse' }, { DATABASE_URL: 'postgres://second/b' })).toBe('postgres://second/b')
    expect(() => storeUrl({ schema: 'acuse' }, {})).toThrow('Say the database')
  })

  it('never show a password', () => {
    expect(shown('postgres://ada:secret@db:5432/shop?sslpassword=secret')).toBe('postgres://db:5432/shop')
    expect(shown('not an address')).toBe('an address that cannot be read')
  })

  it('make a filter of what is said alone', () => {
    expect(filterOf({ schema: 'acuse', limit: 100 })).toEqual({ limit: 100 })
    expect(filterOf({ schema: 'acuse', limit: 5, group: 'g', id: ['1', '2'], state: 'any' })).toEqual({
      limit: 5,
      group: 'g',
      ids: ['1', '2'],
    })
  })
})
