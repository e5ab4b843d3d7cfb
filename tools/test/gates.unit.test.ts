import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { expectedFindings, runGateOn } from './gate-on-fixture.ts'

/** Each gate, with a folder of what it is there to catch. Each folder lists what must be found in it. */
const badFixtures: readonly { readonly gate: string; readonly fixture: string }[] = [
  { gate: 'boundaries', fixture: 'boundaries' },
  { gate: 'cycles', fixture: 'cycles' },
  { gate: 'dead-code', fixture: 'dead-code' },
  { gate: 'docs', fixture: 'docs' },
  { gate: 'errors', fixture: 'errors' },
  { gate: 'errors', fixture: 'errors-without-page' },
  { gate: 'format', fixture: 'format' },
  { gate: 'guarantees', fixture: 'guarantees' },
  { gate: 'links', fixture: 'links' },
  { gate: 'lint', fixture: 'lint' },
  { gate: 'packages', fixture: 'packages' },
  { gate: 'tidy', fixture: 'tidy' },
  { gate: 'types', fixture: 'types' },
]
const gates = [...new Set(badFixtures.map(({ gate }) => gate))]

describe('every gate', () => {
  test('is tried here', () => {
    const tools = readdirSync(`${import.meta.dirname}/..`).map((name) => /^check-(.+)\.ts$/.exec(name)?.[1])
    expect(tools.filter((gate) => gate !== undefined).toSorted()).toEqual(gates)
  })

  test.each(badFixtures)('$gate finds what is wrong in $fixture', { timeout: 60_000 }, ({ gate, fixture }) => {
    const findings = expectedFindings(fixture)
    const { passed, output } = runGateOn(gate, fixture)
    for (const finding of findings) expect(output).toContain(`  ${finding}`)
    expect(output).toContain(`examined, ${findings.length} wrong`)
    expect(passed).toBe(false)
  })

  test.each(gates)('%s fails when there is nothing to look at', { timeout: 60_000 }, (gate) => {
    const { passed, output } = runGateOn(gate, 'empty')
    expect(output).toMatch(/only 0 [a-z ]+ were examined, and at least 1 are expected/)
    expect(passed).toBe(false)
  })

  test.each(['boundaries', 'cycles', 'docs', 'guarantees', 'links', 'tidy'])('%s passes what is right', (gate) => {
    const { passed, output } = runGateOn(gate, 'clean')
    expect(output).toMatch(/^✓ [a-z ]+: [1-9]\d* [a-z ]+ examined\n$/)
    expect(passed).toBe(true)
  })
})
