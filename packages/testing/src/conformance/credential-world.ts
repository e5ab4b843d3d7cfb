import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import type { AcuseError, Credentials, CredentialsProvider, TransportFactory } from '@acuse/core'
import { RelayedStream, type RelaySuiteOptions, RelayWorld } from './relay-world.ts'

/** What a transport's author gives the suite: the transport on a real server, and a user whose password can be changed there. */
export interface CredentialHarness {
  /** The server lets this user in. Nobody else connects as it. */
  readonly user: Credentials
  /** The transport as a service opens it that asks for its credentials. */
  readonly open: (credentials: CredentialsProvider) => TransportFactory
  /** From now on the server takes another password of the user, and the one before no more. Connections of the user are cut. */
  change(password: string): Promise<void>
  dispose(): Promise<void>
}

export const changedPassword = 'changed-canary'

/** One case's services, one that publishes and one that reads: both ask the same vault. */
export class CredentialWorld {
  readonly harness: CredentialHarness
  readonly services: RelayWorld
  readonly #stream: RelayedStream
  /** What the vault gives; undefined: it fails. */
  #given: Credentials | undefined

  constructor(harness: CredentialHarness, options: RelaySuiteOptions) {
    const transport = harness.open(async () => {
      if (this.#given === undefined) throw new Error('the vault is sealed')
      return this.#given
    })
    this.harness = harness
    this.#given = harness.user
    this.services = new RelayWorld(
      { publisher: transport, consumer: transport, dispose: () => harness.dispose() },
      options,
    )
    this.#stream = new RelayedStream('rotated', transport)
  }

  /** From now on the vault gives another password; without one it fails. */
  give(password: string | undefined): void {
    this.#given = password === undefined ? undefined : { ...this.harness.user, password }
  }

  /** Starts both services. A message of each key has gone all the way. */
  async begin(): Promise<void> {
    await this.services.bus.start()
    await this.services.add(this.#stream)
    await this.publish(1, 1)
    await this.applied(1)
  }

  /** Commits messages from `first` to `last` of each of two keys. */
  async publish(first: number, last: number): Promise<void> {
    for (let n = first; n <= last; n++) {
      await this.services.publish([this.#stream.message('a', n), this.#stream.message('b', n)])
    }
  }

  /** Each key's messages up to `last` are applied once and in their order, and nothing waits any more. */
  async applied(last: number): Promise<void> {
    const wanted = Array.from({ length: last }, (_, index) => index + 1)
    await this.services.eventually(() => assert.deepEqual(this.#seen, [wanted, wanted]))
    await this.services.drained()
    assert.deepEqual(this.#seen, [wanted, wanted])
  }

  /** Nothing past `last` has come. */
  nothingPast(last: number): void {
    assert.deepEqual(
      this.#seen.flat().filter((n) => n > last),
      [],
    )
  }

  /** What was told until now does not count any more. */
  forget(): void {
    for (const errors of [this.services.errors, this.#stream.errors]) errors.length = 0
  }

  /** Both services say this: to `onError`, or of the keys that their relay cannot send. */
  async told(what: RegExp): Promise<void> {
    for (const errorsNow of [() => this.#ofPublisher(), () => this.#stream.errors]) {
      await this.services.eventually(async () => {
        const errors = await errorsNow()
        const found = errors.find(({ message }) => what.test(message))
        assert.ok(found?.retryable, `nothing of ${what} in: ${errors.map(({ message }) => message).join('\n')}`)
      })
    }
  }

  /** No error shows a password, however much of it is shown. */
  async secretsKept(): Promise<void> {
    const errors = [...(await this.#ofPublisher()), ...this.#stream.errors]
    const shown = errors.map((error) => inspect(error, { depth: Infinity, showHidden: true })).join('\n')
    for (const secret of [this.harness.user.password, changedPassword]) {
      const at = shown.indexOf(secret)
      assert.equal(at, -1, `an error shows a password: ${shown.slice(Math.max(0, at - 400), at + 100)}`)
    }
  }

  async end(): Promise<void> {
    await this.services.end()
  }

  async #ofPublisher(): Promise<readonly AcuseError[]> {
    const { relay } = await this.services.bus.state()
    return [...this.services.errors, ...(relay?.stalled ?? []).map(({ error }) => error)]
  }

  get #seen(): number[][] {
    return ['a', 'b'].map((key) => this.#stream.seenOf(key))
  }
}
