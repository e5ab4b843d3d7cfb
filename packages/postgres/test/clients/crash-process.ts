import { createBus, stream } from '@acuse/core'
import { z } from 'zod'
import { type CrashClient, crashClients } from './crash-clients.ts'

/**
 * A process to be killed: CLIENT names its client, DOES what it does. It says each step as a line, and never ends by itself.
 */
const setting = (name: string): string => process.env[name] ?? ''
const does = setting('DOES')

const Counted = stream('numbers', { partitions: 1 }).message('counted', {
  schema: z.object({ n: z.number() }),
  key: () => 'one',
})

const say = (step: string): void => void process.stdout.write(`${step}\n`)
const forever = (): Promise<never> => new Promise((_resolve) => setInterval(() => undefined, 60_000))

async function play<Tx>({ store, write }: CrashClient<Tx>): Promise<void> {
  const bus = createBus({ service: 'numbers', store })
  if (does.startsWith('apply')) {
    bus.group('applied', { from: 'earliest', concurrency: 2, leaseMs: 2_000 }).on(Counted, async ({ data }, { tx }) => {
      await write(tx, 'applied', data.n)
      if (does !== 'apply-and-hang') return
      say('applying')
      await forever()
    })
  }
  await bus.start()
  if (does === 'apply-next') await place(2)
  if (does.startsWith('place')) await place(1)
  say('done')
  await forever()

  async function place(n: number): Promise<void> {
    await bus.transaction(async (tx, publish) => {
      await write(tx, 'placed', n)
      publish(Counted({ n }))
      if (does !== 'place-and-hang') return
      say('placing')
      await forever()
    })
  }
}

await crashClients[setting('CLIENT')]?.(setting('DATABASE_URL'), play)
