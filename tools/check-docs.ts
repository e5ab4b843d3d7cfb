import { filesUnder, readText, readTextIfThere } from './lib/files.ts'
import { runGate, type Finding } from './lib/gate.ts'
import { regionOf } from './lib/regions.ts'
import { snippetsIn, type Snippet } from './lib/snippets.ts'

/** How to show a snippet: the opening fence of the block names the file and the region it repeats. */
const howToName = 'Open the block with ```ts file=examples/NAME.ts#REGION.'

await runGate({
  name: 'snippets',
  unit: 'snippets',
  minimum: 3,
  inspect: (root) => {
    const guides = filesUnder(root, 'docs/guides').filter((path) => path.endsWith('.md'))
    const pages = ['README.md', ...guides]
    const missing = pages.filter((page) => readTextIfThere(root, page) === undefined)
    const snippets = pages.flatMap((page) => snippetsIn(page, readTextIfThere(root, page) ?? ''))
    const findings = snippets.flatMap((snippet) => judge(root, snippet))
    return { examined: snippets.length, findings: [...missing.map(absent), ...findings, ...neverRun(root, snippets)] }
  },
})

function absent(page: string): Finding {
  return { where: page, problem: 'is missing', remedy: 'Write it; its snippets come from examples/.' }
}

function judge(root: string, snippet: Snippet): Finding[] {
  const where = `${snippet.page}:${snippet.line}`
  const source = readTextIfThere(root, snippet.file)
  if (source === undefined) {
    return [{ where, problem: `shows ${snippet.file}, which does not exist`, remedy: howToName }]
  }
  const region = regionOf(source, snippet.region)
  if (region === undefined) {
    const remedy = `Mark it there with \`// #region ${snippet.region}\` and \`// #endregion\`.`
    return [{ where, problem: `shows ${snippet.file}#${snippet.region}, but that file has no such region`, remedy }]
  }
  if (region === snippet.text) return []
  const problem = `differs from ${snippet.file}#${snippet.region} ${firstDifference(snippet.text, region)}`
  return [{ where, problem, remedy: 'Copy the region as it is: the file is the one that is run.' }]
}

function firstDifference(shown: string, run: string): string {
  const shownLines = shown.split('\n')
  const runLines = run.split('\n')
  const at = shownLines.findIndex((line, index) => line !== runLines[index])
  const line = at === -1 ? shownLines.length : at
  return `at its line ${line + 1}: the page has "${shownLines[line] ?? ''}", the file "${runLines[line] ?? ''}"`
}

/** A file that is shown has to be run: some test must name it. */
function neverRun(root: string, snippets: readonly Snippet[]): Finding[] {
  const tests = ['packages', 'services', 'test', 'examples']
    .flatMap((folder) => filesUnder(root, folder))
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => readText(root, path))
  const shown = [...new Set(snippets.map(({ file }) => file))]
  return shown
    .filter((file) => !tests.some((test) => test.includes(file)))
    .map((file) => ({
      where: file,
      problem: 'is shown in the docs, but no test runs it',
      remedy: `Import or start ${file} in a *.test.ts under test/.`,
    }))
}
