import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { mutations } from '../src/mutations/list.ts'
import { applyEdit } from '../src/mutations/source.ts'

describe('a planted bug', () => {
  it.each(mutations.flatMap(({ name, edits }) => edits.map((edit) => ({ name, edit }))))(
    'has its place in the product: $name',
    ({ edit }) => {
      const text = readFileSync(new URL(`../../../packages/${edit.file}`, import.meta.url), 'utf8')
      expect(applyEdit(text, edit)).not.toBe(text)
    },
  )

  it('has a name of its own', () => {
    expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length)
  })

  it('is refused where the text has gone, or is there twice', () => {
    const edit = { file: 'a.ts', find: 'x', replace: 'y' }
    expect(() => applyEdit('abc', edit)).toThrow(/a\.ts has 0 places/)
    expect(() => applyEdit('x x', edit)).toThrow(/a\.ts has 2 places/)
  })
})
