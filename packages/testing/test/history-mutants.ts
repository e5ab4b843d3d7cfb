import { type MemoryStore, type Spoil, withHistory } from './spoil-store.ts'

/** What could be wrong with the replay of history, one thing at a time. */
export const historyMutants: Readonly<Record<string, Spoil>> = {
  'history of every stream and type': (store) => {
    const take: MemoryStore['history']['take'] = async (group, range, position, options) => {
      const page = await store.history.take(group, range, position, options)
      const other = { ...range, types: ['case.other'] }
      await store.history.take(group, other, await store.history.begin(other), options)
      return page
    }
    return withHistory(store, { take })
  },
  ...Object.fromEntries(
    (['from', 'to', 'key'] as const).map((part): [string, Spoil] => [
      `history that does not look at ${part}`,
      (store) =>
        withHistory(store, {
          take: (group, { [part]: _ignored, ...range }, position, options) =>
            store.history.take(group, range, position, options),
        }),
    ]),
  ),
  'history always runs again': (store) =>
    withHistory(store, {
      take: (group, range, position, options) =>
        store.history.take(group, range, position, { ...options, again: true }),
    }),
  'history never runs again': (store) =>
    withHistory(store, {
      take: (group, range, position, options) =>
        store.history.take(group, range, position, { ...options, again: false }),
    }),
  'history without order': (store) =>
    withHistory(store, {
      take: (group, range, position, options) =>
        store.history.take(group, range, position, { ...options, ordered: false }),
    }),
  'history always in order': (store) =>
    withHistory(store, {
      take: (group, range, position, options) =>
        store.history.take(group, range, position, { ...options, ordered: true }),
    }),
  'a page of history knows no limit': (store) =>
    withHistory(store, {
      take: (group, range, position, options) =>
        store.history.take(group, range, position, { ...options, limit: Infinity }),
    }),
  'history ends after a page': (store) =>
    withHistory(store, {
      take: async (group, range, position, options) => ({
        ...(await store.history.take(group, range, position, options)),
        next: null,
      }),
    }),
  'every page of history is the first': (store) =>
    withHistory(store, {
      take: async (group, range, _position, options) =>
        store.history.take(group, range, await store.history.begin(range), options),
    }),
  'history has no end: what commits meanwhile is part of it': (store) =>
    withHistory(store, {
      take: async (group, range, position, options) => {
        const [, end] = (await store.history.begin(range)).split('/')
        return store.history.take(group, range, `${position.split('/')[0]}/${end}`, options)
      },
    }),
  'history parks what is dead': (store) =>
    withHistory(store, {
      take: async (group, range, position, options) => {
        await store.deadLetters.replay({ group }, { force: true })
        return store.history.take(group, range, position, options)
      },
    }),
  'history is taken silently where the log does not reach': (store) =>
    withHistory(store, { begin: ({ from: _from, ...range }) => store.history.begin(range) }),
  'a dry run counts what is known as new': (store) =>
    withHistory(store, { count: async (group, range) => ({ ...(await store.history.count(group, range)), known: 0 }) }),
  'a dry run does not look at its range': (store) =>
    withHistory(store, { count: (group, { stream, types }) => store.history.count(group, { stream, types }) }),
  'any position is the beginning': (store) =>
    withHistory(store, {
      take: (group, range, position, options) =>
        store.history.take(group, range, /^\d+\/\d+$/.test(position) ? position : '0/0', options),
    }),
}
