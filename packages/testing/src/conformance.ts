import { describe, it } from 'vitest'
import { type Case, runCase } from './conformance/case.ts'
import { credentialCases } from './conformance/credential-cases.ts'
import { type CredentialHarness, CredentialWorld } from './conformance/credential-world.ts'
import { relayCases } from './conformance/relay-cases.ts'
import { type RelayHarness, type RelaySuiteOptions, RelayWorld } from './conformance/relay-world.ts'
import { storeCases } from './conformance/store-cases.ts'
import { type StoreHarness, type StoreSuiteOptions, StoreWorld } from './conformance/store-world.ts'
import { transportCases } from './conformance/transport-cases.ts'
import { type TransportHarness, type TransportSuiteOptions, TransportWorld } from './conformance/transport-world.ts'

export { Collector } from './conformance/collector.ts'
export type { CredentialHarness } from './conformance/credential-world.ts'
export { partitions, series, uniqueName, wire } from './conformance/messages.ts'
export type { Break, BrokenPlace, Limit, RelayHarness, RelaySuiteOptions } from './conformance/relay-world.ts'
export type { StoreHarness, StoreSuiteOptions } from './conformance/store-world.ts'
export type { TransportHarness, TransportSuiteOptions } from './conformance/transport-world.ts'

const defaultLimitMs = 120_000

/**
 * Registers one test for each promise of the store port. `factory` is called for each of them and gives a harness on an empty store.
 * What the harness cannot show is printed as `unsupported promise: …` and skipped by that name.
 */
export function testStore<Tx>(
  name: string,
  factory: () => Promise<StoreHarness<Tx>>,
  options: StoreSuiteOptions = {},
): void {
  register(`store ${name}`, storeCases<Tx>(), async () => new StoreWorld(await factory(), options), options)
}

/**
 * Registers one test for each promise of the transport port. `factory` is called for each of them; all may share a server,
 * since every case names its own streams and groups.
 * What the transport does not promise is printed as `unsupported promise: …` and skipped by that name.
 */
export function testTransport(
  name: string,
  factory: () => Promise<TransportHarness>,
  options: TransportSuiteOptions = {},
): void {
  register(`transport ${name}`, transportCases, async () => new TransportWorld(await factory(), options), options)
}

/**
 * Registers one test for each promise of a relay on a broker of which something is wrong. `factory` is called for each of them; all may
 * share a server. What the harness has no such thing as is printed as `unsupported promise: …` and skipped by that name.
 */
export function testRelay(name: string, factory: () => Promise<RelayHarness>, options: RelaySuiteOptions = {}): void {
  register(`relay to ${name}`, relayCases, async () => new RelayWorld(await factory(), options), options)
}

/**
 * Registers one test for each promise of a transport whose password is changed while services run. `factory` is called for each of them
 * and gives a user of its own; all may share a server.
 */
export function testCredentials(
  name: string,
  factory: () => Promise<CredentialHarness>,
  options: RelaySuiteOptions = {},
): void {
  register(
    `credentials of ${name}`,
    credentialCases,
    async () => new CredentialWorld(await factory(), options),
    options,
  )
}

function register<World extends { end(): Promise<void> }>(
  subject: string,
  cases: readonly Case<World>[],
  makeWorld: () => Promise<World>,
  { limitMs = defaultLimitMs, concurrent = false }: { readonly limitMs?: number; readonly concurrent?: boolean },
): void {
  describe(subject, () => {
    for (const tested of cases) {
      const beside = concurrent && tested.restartsServer !== true
      it(tested.name, { timeout: limitMs + 30_000, concurrent: beside }, async ({ skip }) => {
        const outcome = await runCase(tested, await makeWorld(), limitMs)
        if (outcome === 'kept') return
        const note = `unsupported promise: ${subject}: ${outcome.unsupported}`
        process.stdout.write(`${note}\n`)
        skip(note)
      })
    }
  })
}
