import { testWire } from '../../../test/vectors/suite.ts'
import { heldOf, messageOf } from './held.ts'

testWire('kafka', {
  held: heldOf,
  messageOf,
  ofOthers: ({ headers, ...held }) => {
    const theirs = Object.entries(headers).filter(([name]) => !name.startsWith('acuse-'))
    return { ...held, headers: Object.fromEntries(theirs) }
  },
})
