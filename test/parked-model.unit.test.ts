import { createMemoryDatabase, createVirtualClock, memoryStore } from '@acuse/testing'
import fc from 'fast-check'
import { it } from 'vitest'
import { parkedCommands } from './parked-model/commands.ts'
import { ParkedModel } from './parked-model/model.ts'
import { Run, subjectOf, type Subject } from './parked-model/subject.ts'

async function memorySubject(): Promise<Subject> {
  const clock = createVirtualClock()
  const context = {
    service: 's',
    instance: 'one',
    clock,
    groups: ['g'],
    effectConnections: 1,
    onError: () => undefined,
  }
  const store = await memoryStore(createMemoryDatabase(clock))(context)
  return subjectOf('memory', store, (ms) => clock.advance({ ms }))
}

it(
  'parked messages in memory are what a small model says, whatever is done with them in whatever order',
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(parkedCommands(40), async (commands) => {
        const run = new Run(await memorySubject(), 'g')
        await fc.asyncModelRun(() => ({ model: new ParkedModel(), real: [run] }), commands)
      }),
      { numRuns: 1_500 },
    )
  },
)
