import { posix } from 'node:path'
import { readTextIfThere } from './lib/files.ts'
import { runGate, type Finding } from './lib/gate.ts'
import { testNamesIn } from './lib/test-names.ts'

const page = 'docs/guarantees.md'

/** How a row shows that its promise is kept. */
const howToShow =
  'Link the test that shows it: [the name of the test](../packages/…/x.int.test.ts), or say "Later:" and what is missing.'

await runGate({
  name: 'guarantees',
  unit: 'promises',
  minimum: 60,
  inspect: (root) => {
    const text = readTextIfThere(root, page)
    const remedy = 'Write it: what is promised, and for each promise the test that shows it.'
    if (text === undefined) return { examined: 0, findings: [{ where: page, problem: 'is missing', remedy }] }
    const lines = text.split('\n').map((line, index): Line => ({ text: line, where: `${page}:${index + 1}` }))
    const promises = lines.flatMap(promiseIn)
    return {
      examined: promises.length,
      findings: [...promises.flatMap(unshown), ...lines.flatMap((line) => wrong(root, line))],
    }
  },
})

interface Line {
  readonly text: string
  readonly where: string
}

interface Promised extends Line {
  readonly number: string
}

/** A row of a table that begins with a number, as `| I4 |` or `| 23 |`. */
function promiseIn(line: Line): Promised[] {
  const number = /^\|\s*(I?\d+)\s*\|/.exec(line.text)?.[1]
  return number === undefined ? [] : [{ ...line, number }]
}

function unshown({ text, where, number }: Promised): Finding[] {
  if (referencesIn(text).length > 0 || /\bLater:/.test(text)) return []
  return [{ where, problem: `promises ${number}, but names no test`, remedy: howToShow }]
}

interface Reference {
  readonly name: string
  readonly file: string
}

/** Links to TypeScript: their text is the name of a test, or code in backquotes when a place in the source is meant. */
function referencesIn(text: string): readonly Reference[] {
  const links = text.matchAll(/\[(?<name>(?:\\.|[^[\]\\`])+)\]\((?<target>[^)\s]+\.ts)\)/g)
  return [...links].map(({ groups }) => ({
    name: (groups?.['name'] ?? '').replaceAll(/\\(.)/g, '$1'),
    file: posix.join(posix.dirname(page), groups?.['target'] ?? ''),
  }))
}

function wrong(root: string, { text, where }: Line): Finding[] {
  return referencesIn(text).flatMap(({ name, file }) => {
    const source = readTextIfThere(root, file)
    if (source === undefined)
      return [{ where, problem: `names a test in ${file}, which does not exist`, remedy: howToShow }]
    if (testNamesIn(file, source).has(name)) return []
    const remedy = 'Give it the name that the test has there, letter by letter.'
    return [{ where, problem: `names the test "${name}", which ${file} does not have`, remedy }]
  })
}
