import process from 'node:process'
import { resolve } from 'node:path'
import { parseArgs, styleText } from 'node:util'

/** One thing that is wrong: where it is, what it is, and what to do about it. */
export interface Finding {
  readonly where: string
  readonly problem: string
  readonly remedy: string
}

export interface Inspection {
  /** How many things were looked at. A gate that saw too few fails, since it proves nothing. */
  readonly examined: number
  readonly findings: readonly Finding[]
}

export interface Gate {
  readonly name: string
  /** What is counted, in the plural: `source files`. */
  readonly unit: string
  /** The fewest that must have been looked at in this repository. */
  readonly minimum: number
  inspect(root: string): Inspection | Promise<Inspection>
}

/**
 * Runs a gate as a command: prints one line and a block for each finding, and sets the exit code.
 * `--root` looks at another folder and `--minimum` expects fewer, which is how the gates themselves are tested.
 */
export async function runGate(gate: Gate): Promise<void> {
  const { values } = parseArgs({ options: { root: { type: 'string' }, minimum: { type: 'string' } } })
  const root = resolve(values.root ?? process.cwd())
  const minimum = Number(values.minimum ?? gate.minimum)
  const { examined, findings } = await inspect(gate, root)
  const all = examined < minimum ? [...findings, tooFew(gate, examined, minimum)] : findings
  print(gate, examined, all)
  process.exitCode = all.length === 0 ? 0 : 1
}

/** A tool that breaks down is a finding too: the others still want to be read. */
async function inspect(gate: Gate, root: string): Promise<Inspection> {
  try {
    return await gate.inspect(root)
  } catch (error) {
    const problem = `could not look: ${error instanceof Error ? error.message : String(error)}`
    return { examined: 0, findings: [{ where: gate.name, problem, remedy: 'Put right what it stumbled over first.' }] }
  }
}

function tooFew(gate: Gate, examined: number, minimum: number): Finding {
  return {
    where: gate.name,
    problem: `only ${examined} ${gate.unit} were examined, and at least ${minimum} are expected`,
    remedy: 'A gate that sees nothing passes for nothing: look at which folders it reads.',
  }
}

function print(gate: Gate, examined: number, findings: readonly Finding[]): void {
  const mark = findings.length === 0 ? styleText('green', '✓') : styleText('red', '✗')
  const verdict = findings.length === 0 ? '' : `, ${findings.length} wrong`
  console.log(`${mark} ${gate.name}: ${examined} ${gate.unit} examined${verdict}`)
  for (const { where, problem, remedy } of findings) {
    console.log(`  ${styleText('bold', where)}  ${problem}\n      ${remedy}`)
  }
}
