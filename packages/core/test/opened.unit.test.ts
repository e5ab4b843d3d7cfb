import { Opened } from '@acuse/core'
import { expect, test } from 'vitest'

test('it is opened once, however many ask while it is, and known without waiting afterwards', async () => {
  const opened = new Opened<number>()
  let opens = 0
  const open = (): Promise<number> => Promise.resolve(++opens)
  expect(opened.ready('a')).toBeUndefined()
  expect(await Promise.all([opened.get('a', open), opened.get('a', open)])).toEqual([1, 1])
  expect(opened.ready('a')).toBe(1)
  expect(await opened.get('b', open)).toBe(2)
  expect(await Promise.all(opened.all())).toEqual([1, 2])
})

test('what could not be opened is opened by whoever asks next', async () => {
  const opened = new Opened<number>()
  await expect(opened.get('a', () => Promise.reject(new Error('away')))).rejects.toThrow('away')
  expect(opened.ready('a')).toBeUndefined()
  expect(await opened.get('a', () => Promise.resolve(2))).toBe(2)
})

test('what is forgotten is opened anew, also while it is being opened', async () => {
  const opened = new Opened<number>()
  const first = Promise.withResolvers<number>()
  const opening = opened.get('a', () => first.promise)
  opened.forget('a')
  expect(await opened.get('a', () => Promise.resolve(2))).toBe(2)
  first.resolve(1)
  expect(await opening).toBe(1)
  expect(opened.ready('a')).toBe(2)
})
