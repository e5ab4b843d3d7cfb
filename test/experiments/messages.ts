import { stream } from '@acuse/core'
import { z } from 'zod'

const experiments = stream('experiments', { partitions: 4 })
const keyed = z.object({ key: z.string(), n: z.number() })

/** A message of some size. */
export const Bulk = experiments.message('bulk', {
  schema: keyed.extend({ payload: z.string() }),
  key: ({ key }) => key,
})

/** Begins a saga that does nothing but wait. */
export const Begun = experiments.message('begun', {
  schema: z.object({ id: z.string(), waitMs: z.number() }),
  key: ({ id }) => id,
})

/** One of many events of a saga. Without a key, so that they meet. */
export const Counted = experiments.message('counted', {
  schema: z.object({ id: z.string(), amount: z.number(), of: z.number(), owner: z.string() }),
})

/** What a saga has counted when all of its events are there. `owners` is whose events they were. */
export const Summed = experiments.message('summed', {
  schema: z.object({ id: z.string(), total: z.number(), owners: z.array(z.string()) }),
  key: ({ id }) => id,
})

/** A message of a tenant, which it also names in its data. */
export const Owned = experiments.message('owned', {
  schema: z.object({ owner: z.string(), key: z.string(), n: z.number(), poison: z.boolean() }),
  key: ({ key }) => key,
})

/** The same, for a handler that calls the world. */
export const Charged = experiments.message('charged', {
  schema: z.object({ owner: z.string(), n: z.number() }),
})
