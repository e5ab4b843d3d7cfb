import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, onTestFinished } from 'vitest'

/** A folder that servers of this test have theirs in. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-servers-test-'))
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }))
  return folder
}

/** The processes that see something mounted from a folder: those of the servers in it, and what they have started. */
export function processesIn(folder: string): number[] {
  // By its name: where a folder in /dev/shm is mounted, its path within that is all there is.
  const own = basename(folder)
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && textOf(`/proc/${name}/mountinfo`).includes(own))
    .map(Number)
}

/** The state of a process as /proc has it: `T` for one that is stopped. */
export function stateOf(pid: number): string | undefined {
  return /^State:\s+(\w)/m.exec(textOf(`/proc/${pid}/status`))?.[1]
}

/** For what a test does on its way, where it has no expectation of its own. */
export function assertContains(text: string, part: string): void {
  if (!text.includes(part)) throw new Error(`"${text}" does not contain "${part}".`)
}

/** Of the servers in a folder nothing is left: no process, no mount, no file. */
export async function expectNothingLeft(parent: string): Promise<void> {
  expect(processesIn(parent)).toEqual([])
  expect(textOf('/proc/self/mountinfo')).not.toContain(basename(parent))
  if (existsSync(parent)) expect(await readdir(parent)).toEqual([])
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
