import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { experiments } from './experiments/all.ts'
import { World } from './experiments/world.ts'

/** At their small size; CONTRIBUTING says how to run them at the size that counts. */
describe('the experiment of a guarantee', () => {
  it.each(experiments.map((one) => [one.name, one.title, one] as const))('%s: %s', async (_name, _title, one) => {
    const world = await World.open(inject('adminUrl'))
    onTestFinished(() => world.close())
    const { broken, figures } = await one.run(world, one.small)
    expect(broken, JSON.stringify(figures)).toEqual([])
  })
})
