import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import { freePort } from '../../src/processes/free-port.ts'
import { KeptService } from '../../src/processes/kept-service.ts'
import type { KeptOptions } from '../../src/processes/kept-service.ts'
import { ServiceProcess } from '../../src/processes/service-process.ts'
import type { ServiceOptions } from '../../src/processes/service-process.ts'

const PROGRAM = fileURLToPath(new URL('tiny-service.mjs', import.meta.url))

/** Options of a service's process that runs `tiny-service.mjs`. */
export async function tinyOptions(env: Record<string, string> = {}, name = 'tiny'): Promise<ServiceOptions> {
  const folder = await mkdtemp(join(tmpdir(), 'marketplace-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return { name, program: [PROGRAM], env, port: await freePort(), log: join(folder, `${name}.log`) }
}

/** Such a process, killed after the test. */
export async function tinyProcess(
  env: Record<string, string> = {},
  changes: Partial<ServiceOptions> = {},
): Promise<ServiceProcess> {
  const service = new ServiceProcess({ ...(await tinyOptions(env)), ...changes })
  onTestFinished(() => service.kill())
  return service
}

/** Such a service, kept up until the test is over. */
export async function tinyService(
  name: string,
  changes: Partial<KeptOptions> = {},
): Promise<{ service: KeptService; notes: string[] }> {
  const notes: string[] = []
  const note = (text: string): void => void notes.push(text)
  const service = new KeptService({ ...(await tinyOptions({}, name)), note, ...changes })
  onTestFinished(() => service.kill())
  return { service, notes }
}

/** The process id a service answers with. */
export async function pidBehind(url: string): Promise<number> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000), headers: { connection: 'close' } })
  return Number(await response.text())
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export async function logOf(service: ServiceProcess): Promise<string> {
  return readFile(service.log, 'utf8')
}
