import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from '../processes/spawn.ts'
import { experiment, Findings, type Result } from './experiment.ts'
import { Bulk } from './messages.ts'
import { withPublisher } from './publish.ts'
import type { World } from './world.ts'

const mostMegabytes = 256
const batch = 100
/** How many times faster than its consumer the producer has to be; more is aimed at, as neither keeps its pace. */
const faster = 10
const aimedAt = 15
const handlersAtOnce = 8
/** Published before the consumer starts, to see how fast that goes here. */
const firstMessages = 1_000

export const memory = experiment({
  name: 'I9',
  title: 'a consumer ten times slower than its producer holds no more than its prefetch, and its memory stays bounded',
  small: { messages: 5_000, bytes: 10_000, prefetch: 256, heapMegabytes: 96 },
  whole: { messages: 200_000, bytes: 10_000, prefetch: 256, heapMegabytes: 96 },
  async run(world, size) {
    const folder = await mkdtemp(join(tmpdir(), 'acuse-compiled-'))
    try {
      return await measure(world, size, folder)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
})

interface MemorySize {
  readonly messages: number
  readonly bytes: number
  readonly prefetch: number
  /** On a large machine V8 lets garbage lie; this is what fits well into a container of 256 MB. */
  readonly heapMegabytes: number
}

async function measure(
  world: World,
  { messages, bytes, prefetch, heapMegabytes }: MemorySize,
  folder: string,
): Promise<Result> {
  const findings = new Findings()
  // Users run what is compiled. What Node needs to strip types off sources takes 33 MB: the second process of a cache does without.
  const compiled = { NODE_COMPILE_CACHE: folder }
  await fillCache(world, compiled)
  const firstPerS = await produce(world, 0, firstMessages, bytes)
  const handlerMs = Math.ceil((handlersAtOnce * 1_000 * aimedAt) / firstPerS)
  const consumer = world.start('experiments', {
    ...compiled,
    ROLE: 'bulk',
    PREFETCH: String(prefetch),
    HANDLER_MS: String(handlerMs),
    // The old generation alone is no bound: the young one may be larger, and the two together had 500 collections do nothing.
    NODE_OPTIONS: `--max-old-space-size=${heapMegabytes} --max-semi-space-size=8`,
  })
  await consumer.ready
  const producedPerS = await produce(world, firstMessages, messages, bytes)
  const appliedMeanwhile = await world.number('select count(*) from effects')
  const timesFaster = Math.round((messages - firstMessages) / Math.max(1, appliedMeanwhile))
  const slowMegabytes = await peakRss(consumer)
  world.say(`published ${Math.round(producedPerS)}/s, ${appliedMeanwhile} applied, ${slowMegabytes} MB`)
  // All that is waiting now is read as fast as it can be.
  consumer.process.kill('SIGUSR2')
  const began = performance.now()
  await world.until('select count(*) from effects', messages, 1_800_000)
  const appliedPerS = (messages - appliedMeanwhile) / ((performance.now() - began) / 1_000)
  const peakMegabytes = await peakRss(consumer)
  const mostInFlight = inFlightOf(consumer)
  consumer.process.kill('SIGTERM')
  findings.equal('exit code', (await consumer.ended).code ?? -1, 0)
  const doubled = await world.number('select count(*) - count(distinct n) from effects')
  findings.expect(timesFaster >= faster, `the producer was only ${timesFaster} times as fast`)
  findings.expect(peakMegabytes < mostMegabytes, `the consumer took ${peakMegabytes} MB`)
  findings.expect(mostInFlight > 0 && mostInFlight <= prefetch, `${mostInFlight} messages were in flight`)
  findings.equal('doubled', doubled, 0)
  return {
    broken: findings.broken,
    figures: {
      messages,
      megabytesPublished: Math.round((messages * bytes) / 1e6),
      producedPerS: Math.round(producedPerS),
      timesFaster,
      waiting: messages - appliedMeanwhile,
      slowMegabytes,
      peakMegabytes,
      mostInFlight,
      appliedPerS: Math.round(appliedPerS),
      doubled,
    },
  }
}

/** Loads everything once; Node writes its cache when it exits. */
async function fillCache(world: World, env: Readonly<Record<string, string>>): Promise<void> {
  const once = world.start('experiments', env)
  await once.ready
  once.process.kill('SIGTERM')
  await once.ended
}

/** Publishes random text, so that nothing on the way makes it smaller. Gives how many went in a second. */
async function produce(world: World, start: number, end: number, bytes: number): Promise<number> {
  return withPublisher(world, async (publish) => {
    const began = performance.now()
    for (let first = start; first < end; first += batch) {
      const payload = randomBytes(bytes).toString('base64').slice(0, bytes)
      const numbers = Array.from({ length: Math.min(batch, end - first) }, (_, at) => first + at)
      await publish(numbers.map((n) => ({ message: Bulk({ key: `k${n % 1_000}`, n, payload }) })))
      if ((first / batch) % 200 === 199) world.say(`${first + batch} of ${end} published`)
    }
    return (end - start) / ((performance.now() - began) / 1_000)
  })
}

/** The most that the kernel ever saw it hold, MB. */
async function peakRss({ process: { pid } }: Worker): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  if (kilobytes === undefined) throw new Error(`/proc/${pid}/status does not say how much memory it took`)
  return Math.round((Number(kilobytes) * 1_024) / 1e6)
}

function inFlightOf(worker: Worker): number {
  const said = worker.said()
  if (typeof said === 'object' && said !== null && 'mostInFlight' in said) return Number(said.mostInFlight)
  throw new Error('the consumer has not said what it had in flight')
}
