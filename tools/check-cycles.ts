import { codeFiles } from './lib/files.ts'
import { runGate, type Finding } from './lib/gate.ts'
import { importsOf, relativeTarget } from './lib/imports.ts'

await runGate({
  name: 'cycles',
  unit: 'source files',
  minimum: 120,
  inspect: (root) => {
    const files = codeFiles(root)
    const known = new Set(files)
    const graph = new Map(files.map((file) => [file, targetsOf(root, file, known)]))
    return { examined: files.length, findings: cyclesIn(graph).map(describe) }
  },
})

/** What is loaded at run time: types that mention each other are no cycle, since nothing is left of them. */
function targetsOf(root: string, file: string, known: ReadonlySet<string>): readonly string[] {
  const loaded = importsOf(root, file).filter(({ typeOnly }) => !typeOnly)
  const targets = loaded.map(relativeTarget)
  return [...new Set(targets.filter((target) => target !== undefined))].filter((target) => known.has(target))
}

/** One cycle for each import that closes one, found by walking depth first. */
function cyclesIn(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): void => {
    if (done.has(file)) return
    const start = path.indexOf(file)
    if (start !== -1) {
      cycles.push([...path.slice(start), file])
      return
    }
    path.push(file)
    for (const target of graph.get(file) ?? []) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of graph.keys()) visit(file)
  return cycles
}

function describe(cycle: readonly string[]): Finding {
  return {
    where: cycle[0] ?? '',
    problem: `imports itself in the end: ${cycle.join(' → ')}`,
    remedy: 'Move what both sides need into a file of its own, below both.',
  }
}
