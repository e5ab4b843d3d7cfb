import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { onTestFinished } from 'vitest'

import type { Summary } from '../src/index.ts'

const fromHere = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** The marketplace runs from its build: Orders has decorators, which Node does not run as they are. */
export async function build(): Promise<void> {
  const root = fromHere('../../..')
  await promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', fromHere('..')])
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'marketplace-'))
  // Started by root, PostgreSQL runs as a user of its own, which must get through to its data.
  await chmod(folder, 0o755)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A marketplace in a process of its own, ended after the test. */
export interface MarketplaceProcess {
  child: ChildProcess
  /** What it has written so far, both streams. */
  said: () => string
  /** Settles when it has written such a text; rejects when it ends before. */
  says: (text: string) => Promise<void>
  /** Settles with its exit code and what it wrote. */
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>
}

export function startMarketplace(...args: readonly string[]): MarketplaceProcess {
  const child = spawn(process.execPath, [fromHere('../dist/main.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  const lines: ((line: string) => void)[] = []
  const read = (stream: NodeJS.ReadableStream, keep: (line: string) => void): void => {
    createInterface({ input: stream }).on('line', (line) => {
      keep(`${line}\n`)
      for (const listener of lines) listener(line)
    })
  }
  read(child.stdout, (line) => (stdout += line))
  read(child.stderr, (line) => (stderr += line))
  const ended = once(child, 'close').then(([code]: (number | null)[]) => ({ code: code ?? null, stdout, stderr }))
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      if (`${stdout}${stderr}`.includes(text)) resolve()
      lines.push((line) => {
        if (line.includes(text)) resolve()
      })
      void ended.then(() => reject(new Error(`it ended without saying "${text}":\n${stdout}${stderr}`)))
    })
  return { child, said: () => `${stdout}${stderr}`, says, ended }
}

/** The one line of JSON on standard output. */
export function summaryOf(stdout: string): Summary {
  const [line = '', ...rest] = stdout.trimEnd().split('\n')
  if (rest.length > 0) throw new Error(`standard output has more than one line:\n${stdout}`)
  return JSON.parse(line) as Summary
}

/** Whether anything answers at an address. */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) })
    await response.text()
    return response.ok
  } catch {
    return false
  }
}
