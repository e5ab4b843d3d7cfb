import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { eventually } from './messages.ts'
import type { ReaderSettings, Told } from './reader-process.ts'

/** A process that reads the log, to be stopped and killed. */
export interface ReaderChild extends AsyncDisposable {
  readonly told: Told[]
  /** The events of one kind, in order. */
  of<E extends Told['event']>(event: E): Extract<Told, { event: E }>[]
  /** Acks what it holds. */
  ack(): void
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
  /** Resolves when it is gone. */
  gone(): Promise<void>
}

export async function startReader(settings: ReaderSettings): Promise<ReaderChild> {
  const script = fileURLToPath(new URL('./reader-process.ts', import.meta.url))
  const child = fork(script, [JSON.stringify(settings)], {
    execArgv: ['--conditions=@acuse/source', '--disable-warning=ExperimentalWarning'],
  })
  const exited = once(child, 'exit')
  const told: Told[] = []
  child.on('message', (event) => told.push(event as Told))
  const reader: ReaderChild = {
    told,
    of: (event) => told.filter((one): one is never => one.event === event),
    ack: () => child.send('ack'),
    signal: (name) => child.kill(name),
    gone: async () => {
      await exited
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
  await eventually(() => told.some(({ event }) => event === 'ready') || child.exitCode !== null, 30_000)
  if (child.exitCode !== null) throw new Error(`the reading process ended with ${child.exitCode}`)
  return reader
}
