import { describe, expect, test } from 'vitest'
import type { Server } from '../src/server.ts'
import { until } from '../src/waiting.ts'
import { expectNothingLeft, processesIn, stateOf, temporaryFolder } from './support.ts'

/** How the contract works with a kind of server. */
export interface Subject<S extends Server> {
  readonly name: string
  /** As in `4.0`. */
  readonly release: string
  start(parent: string): Promise<S>
  /** Stores something that has to outlive the server's process. */
  store(server: S): Promise<void>
  /** Whether that is still there. */
  holds(server: S): Promise<boolean>
  /** Starts one with settings that it refuses. */
  startWrongly(parent: string): Promise<S>
  /** What its log says then. */
  readonly complaint: RegExp
}

/** What holds for every kind of server. */
export function testServer<S extends Server>(subject: Subject<S>): void {
  describe(`${subject.name} ${subject.release}`, () => {
    test('keeps what is durable when it is killed and when it is stopped', async () => {
      const parent = await temporaryFolder()
      await using server = await subject.start(parent)
      expect(server.version.startsWith(`${subject.release}.`)).toBe(true)
      await subject.store(server)
      const first = server.pid

      await server.kill()
      expect(processesIn(parent)).toEqual([])
      await server.start()
      expect(server.pid).not.toBe(first)
      expect(await subject.holds(server)).toBe(true)

      await server.stop()
      expect(processesIn(parent)).toEqual([])
      await server.start()
      expect(await subject.holds(server)).toBe(true)

      await server[Symbol.asyncDispose]()
      await expectNothingLeft(parent)
    })

    test('runs twice at once, and one that is frozen does not hold the other', async () => {
      const parent = await temporaryFolder()
      const [one, other] = await Promise.all([subject.start(parent), subject.start(parent)])
      await using servers = new AsyncDisposableStack()
      servers.use(one)
      servers.use(other)
      expect(one.port).not.toBe(other.port)
      await one.freeze()
      expect(stateOf(one.pid)).toBe('T')
      await subject.store(other)
      await one.thaw()
      await subject.store(one)
      expect([await subject.holds(one), await subject.holds(other)]).toEqual([true, true])
      await one.freeze()
      await one.stop()
      // A signal from anywhere to that one process ends all of it.
      await other.freeze()
      process.kill(other.pid, 'SIGKILL')
      expect(await until(() => processesIn(parent).length === 0 && !other.isUp, 10_000)).toBe(true)
    })

    test('fails with the end of its log when it does not start, and leaves nothing', async () => {
      const parent = await temporaryFolder()
      await expect(subject.startWrongly(parent)).rejects.toThrow(subject.complaint)
      await expectNothingLeft(parent)
    })
  })
}
