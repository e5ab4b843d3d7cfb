import { setTimeout as pause } from 'node:timers/promises'
import { experiment, Findings, quantile } from './experiment.ts'
import { countFaults, publishItems } from './publish.ts'
import { Kept } from './world.ts'

/** What `drainOnSignals` is given by the worker. */
const deadlineMs = 10_000
/** Messages that one process takes in a round at most: 4 at once, 200 ms each, a round of about 2 s. */
const messagesPerRound = 40

export const drain = experiment({
  name: 'I8',
  title:
    'a process told to end at a random moment finishes its handlers and exits with 0, and nothing of it is begun again',
  small: { rounds: 5, handlerMs: 200 },
  whole: { rounds: 100, handlerMs: 200 },
  async run(world, { rounds, handlerMs }) {
    const findings = new Findings()
    await publishItems(world, rounds * messagesPerRound, 20)
    const drainMs: number[] = []
    for (let round = 0; round < rounds; round++) {
      const worker = world.start('items', { ROLE: 'consumer', HANDLER_MS: String(handlerMs), BEGUN: '1' })
      await worker.ready
      const before = await world.number('select count(*) from begun')
      await world.until('select count(*) from begun', before + 1)
      await pause(Math.random() * 4 * handlerMs)
      const told = performance.now()
      worker.process.kill('SIGTERM')
      const { code } = await worker.ended
      drainMs.push(performance.now() - told)
      findings.equal(`round ${round}: exit code`, code ?? -1, 0)
      const suspects = await world.number("select count(*) from acuse.parked where reason = 'suspect'")
      findings.equal(`round ${round}: messages under suspicion`, suspects, 0)
      if (round % 10 === 9) world.say(`${round + 1} of ${rounds} drained`)
    }
    const begunDuringRounds = await world.number('select count(*) from begun')
    const rest = new Kept(() => world.start('items', { ROLE: 'consumer', BEGUN: '1' }))
    await world.until('select count(distinct n) from effects', rounds * messagesPerRound)
    await rest.stop()
    const begunTwice = await world.number('select count(*) - count(distinct message) from begun')
    const { lost, doubled } = await countFaults(world)
    findings.equal('begun twice', begunTwice, 0)
    findings.equal('lost', lost, 0)
    findings.equal('doubled', doubled, 0)
    const longestMs = Math.max(...drainMs)
    findings.expect(longestMs < deadlineMs, `the longest drain took ${longestMs} ms`)
    return {
      broken: findings.broken,
      figures: {
        rounds,
        begunDuringRounds,
        begunTwice,
        lost,
        doubled,
        drainP50Ms: Math.round(quantile(drainMs, 0.5)),
        drainLongestMs: Math.round(longestMs),
      },
    }
  },
})
