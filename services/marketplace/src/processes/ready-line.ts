/** The address in the line a service prints once it serves, `{"ready":"orders","url":"http://…"}`; else undefined. */
export function readyUrl(line: string): string | undefined {
  if (!line.startsWith('{"ready":')) return undefined
  try {
    const said: unknown = JSON.parse(line)
    if (typeof said !== 'object' || said === null || !('url' in said)) return undefined
    return typeof said.url === 'string' ? said.url : undefined
  } catch {
    return undefined
  }
}
