import { styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Gives text a style, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string

/** Text as it is. */
export const plain: Paint = (_style, text) => text

/** Text in colour. */
export const coloured: Paint = (style, text) => styleText(style, text, { validateStream: false })

/** Colour on a terminal, unless NO_COLOR is set (https://no-color.org) or the terminal is a dumb one. */
export function paintFor(
  stream: { isTTY?: boolean | undefined },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Paint {
  const wanted = stream.isTTY === true && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb'
  return wanted ? coloured : plain
}
