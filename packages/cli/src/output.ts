/** Where a command writes to. */
export interface Output {
  /** What was asked for: one text, which may have several lines. */
  line(text: string): void
  /** What goes wrong, and what it is doing, where the other is for machines. */
  error(text: string): void
}

export function consoleOutput(): Output {
  return { line: (text) => console.log(text), error: (text) => console.error(text) }
}

/** One JSON document, for `jq`. */
export function json(value: unknown): string {
  return JSON.stringify(value, null, 2)
}

/** Columns as wide as their widest cell, headings first. A cell keeps to one line. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [headings, ...rows].map((row) => row.map(oneLine))
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** `1 dead letter`, `2 dead letters`. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

const longestCell = 80

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > longestCell ? `${line.slice(0, longestCell - 1)}…` : line
}
