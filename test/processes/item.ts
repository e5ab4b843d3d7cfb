import { stream } from '@acuse/core'
import { z } from 'zod'

const doings = ['throw', 'stumble', 'refuse', 'kill', 'reject', 'hog'] as const

/** What handling an item does beside its effect; `stumble` fails twice, `refuse` asks for a dead letter at once. */
export type Doing = (typeof doings)[number]

/** What the fault tests send: the n-th item of a key. */
export const items = stream('items', { partitions: 4 })
export const Item = items.message('item', {
  schema: z.object({ key: z.string(), n: z.number(), does: z.enum(doings).optional() }),
  key: ({ key }) => key,
})
