import { describe, expect, it } from 'vitest'
import { cut, failureJson, storable } from '../../src/store/texts.ts'

describe('what is stored of texts', () => {
  it('has no NUL, which PostgreSQL refuses', () => {
    expect(storable('a\0b\0')).toBe('a\uFFFDb\uFFFD')
    expect(storable('ñ')).toBe('ñ')
  })

  it('is cut by bytes, at whole characters', () => {
    expect(cut('abc', 2)).toBe('ab')
    expect(cut('aññ', 4)).toBe('añ')
    expect(cut('🚚🚚', 7)).toBe('🚚')
    expect(cut('🚚', 3)).toBe('')
    expect(cut('añ', 3)).toBe('añ')
  })

  it('keeps a failure to 10 kB of message and 20 kB of stack', () => {
    const kept = JSON.parse(
      failureJson({ code: 'E\0', name: 'Error', message: 'ñ'.repeat(20_000), stack: 'at x\n'.repeat(20_000) }),
    )
    expect(kept.code).toBe('E\uFFFD')
    expect(Buffer.byteLength(kept.message)).toBe(10_240)
    expect(Buffer.byteLength(kept.stack)).toBe(20_480)
    expect(JSON.parse(failureJson({ code: null, name: 'E', message: '', stack: null }))).toEqual({
      code: null,
      name: 'E',
      message: '',
      stack: null,
    })
  })
})
