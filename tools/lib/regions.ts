/**
 * The lines between `// #region name` and its `// #endregion`, without their common indent and blank lines at the ends; `undefined` if there is
 * none. In Go a blank line has to follow the marker, or it would be part of a comment.
 */
export function regionOf(source: string, name: string): string | undefined {
  const lines = source.split('\n')
  const start = lines.findIndex((line) => line.trim() === `// #region ${name}`)
  if (start === -1) return undefined
  const body = lines.slice(start + 1)
  const end = closingLine(body)
  if (end === -1) return undefined
  return dedent(body.slice(0, end).filter((line) => !isMarker(line)))
}

/** Regions nest, so the end is where every region opened since has been closed. */
function closingLine(lines: readonly string[]): number {
  let open = 1
  return lines.findIndex((line) => {
    if (line.trim().startsWith('// #region ')) open += 1
    if (line.trim().startsWith('// #endregion')) open -= 1
    return open === 0
  })
}

function isMarker(line: string): boolean {
  return /^\s*\/\/ #(end)?region\b/.test(line)
}

function dedent(lines: readonly string[]): string {
  const indents = lines.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length)
  const indent = Math.min(...indents, Number.MAX_SAFE_INTEGER)
  return lines
    .map((line) => line.slice(indent))
    .join('\n')
    .replace(/^\n+/, '')
    .trimEnd()
}
