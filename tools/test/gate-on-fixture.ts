import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { stripVTControlCharacters } from 'node:util'

export interface GateRun {
  readonly passed: boolean
  readonly output: string
}

/** Runs a gate on a copy of a fixture, away from this repository's own configuration and from other tests. */
export function runGateOn(gate: string, fixture: string): GateRun {
  const root = mkdtempSync(join(tmpdir(), 'acuse-gate-'))
  try {
    cpSync(folderOf(fixture), root, { recursive: true })
    const file = join(import.meta.dirname, '..', `check-${gate}.ts`)
    const args = [file, '--root', root, '--minimum', '1']
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    return { passed: status === 0, output: stripVTControlCharacters(stdout + stderr) }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** The findings a gate must print about a fixture, one a line; there may be none besides. */
export function expectedFindings(fixture: string): readonly string[] {
  return readFileSync(join(folderOf(fixture), 'expected-findings.txt'), 'utf8')
    .trim()
    .split('\n')
}

function folderOf(fixture: string): string {
  return join(import.meta.dirname, 'fixtures', fixture)
}
