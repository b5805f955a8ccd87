/**
 * Definitions as a parser sees them, for the few files that are shown: where each begins and ends.
 * The grammars are WebAssembly and loaded with the first file of their language.
 *
 * Files are hostile. What bounds the work is counted and not timed, so that a slow machine gives the
 * same pack: bytes of a file, steps of one parse, steps of all parses of a pack. What is over a bound,
 * or in no known language, is read by the shape of its lines instead.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Language, Node, Parser } from 'web-tree-sitter'
import { type Definition, definitionsOf } from './definitions.ts'
import { linesOf } from './lines.ts'

export interface Syntax {
  /** A reader for one pack; its bounds are counted anew. */
  forPack(): (path: string, text: string) => Promise<Definition[]>
}

const BYTES_MAX = 128 * 1024
/** Calls of the parser's progress report, each some hundred steps; a plain file of 1 MB has 8500. */
const STEPS_OF_PARSE_MAX = 3_000
const STEPS_OF_PACK_MAX = 20_000
const DEFINITIONS_MAX = 2000
const NAME_MAX = 80

const GRAMMARS: Readonly<Record<string, string>> = {
  ...named('typescript', 'ts mts cts'),
  ...named('tsx', 'tsx jsx'),
  ...named('javascript', 'js mjs cjs'),
  ...named('python', 'py pyi'),
  ...named('go', 'go'),
  ...named('java', 'java'),
  ...named('rust', 'rs'),
  ...named('ruby', 'rb'),
  ...named('php', 'php'),
  ...named('c-sharp', 'cs'),
  ...named('cpp', 'c h cc cpp cxx hh hpp'),
  ...named('bash', 'sh bash'),
}

/** Nodes that define something, of all grammars; one that a grammar lacks matches nothing. */
const DEFINING =
  `function_declaration generator_function_declaration class_declaration abstract_class_declaration
  method_definition interface_declaration type_alias_declaration enum_declaration internal_module
  variable_declarator function_definition class_definition method_declaration type_spec
  record_declaration constructor_declaration function_item struct_item enum_item trait_item impl_item
  mod_item macro_definition type_item method singleton_method class module trait_declaration
  struct_declaration class_specifier struct_specifier enum_specifier namespace_definition
  namespace_declaration`.split(/\s+/)

/** What wraps a definition and belongs to it. */
const WRAPPERS = new Set(['export_statement', 'decorated_definition', 'lexical_declaration'])

export function createSyntax(): Syntax {
  const grammars = new Map<string, Promise<Language | undefined>>()
  let parser: Promise<Parser | undefined> | undefined
  const grammarOf = (path: string) => {
    const name = GRAMMARS[path.slice(path.lastIndexOf('.') + 1).toLowerCase()]
    if (name === undefined) return undefined
    const known = grammars.get(name) ?? loadGrammar(name)
    grammars.set(name, known)
    return known
  }
  return {
    forPack() {
      let steps = 0
      return async (path, text) => {
        const grammar = text.length <= BYTES_MAX ? await grammarOf(path) : undefined
        const left = Math.min(STEPS_OF_PARSE_MAX, STEPS_OF_PACK_MAX - steps)
        parser ??= grammar === undefined ? undefined : openParser()
        const means = await parser
        if (grammar === undefined || means === undefined || left <= 0)
          return definitionsOf(linesOf(text))
        const parsed = parse(means, { grammar, text, stepsMax: left })
        steps += parsed.steps
        return parsed.definitions ?? definitionsOf(linesOf(text))
      }
    },
  }
}

function named(grammar: string, extensions: string): Record<string, string> {
  return Object.fromEntries(extensions.split(' ').map((extension) => [extension, grammar]))
}

async function openParser(): Promise<Parser | undefined> {
  try {
    const library = await import('web-tree-sitter')
    await library.Parser.init()
    return new library.Parser()
  } catch {
    return undefined
  }
}

async function loadGrammar(name: string): Promise<Language | undefined> {
  try {
    const library = await import('web-tree-sitter')
    await library.Parser.init()
    const file = createRequire(import.meta.url).resolve('@vscode/tree-sitter-wasm/package.json')
    return await library.Language.load(join(dirname(file), 'wasm', `tree-sitter-${name}.wasm`))
  } catch {
    return undefined
  }
}

/** No definitions when the parse took too many steps or could not be made. */
function parse(
  parser: Parser,
  { grammar, text, stepsMax }: { grammar: Language; text: string; stepsMax: number },
): { definitions: Definition[] | undefined; steps: number } {
  let steps = 0
  try {
    parser.setLanguage(grammar)
    parser.reset()
    const tree = parser.parse(text, null, { progressCallback: () => (steps += 1) > stepsMax })
    if (tree === null) return { definitions: undefined, steps }
    try {
      const nodes = tree.rootNode.descendantsOfType(DEFINING).slice(0, DEFINITIONS_MAX)
      return { definitions: nodes.flatMap(definitionOf), steps }
    } finally {
      tree.delete()
    }
  } catch {
    return { definitions: undefined, steps: stepsMax }
  }
}

function definitionOf(node: Node): Definition[] {
  if (node.type === 'variable_declarator' && !isTopLevel(node)) return []
  const name = nameOf(node)
  if (name === undefined || name.length > NAME_MAX || /\s/.test(name)) return []
  let outer: Node = node
  while (outer.parent !== null && WRAPPERS.has(outer.parent.type)) outer = outer.parent
  return [{ name, line: outer.startPosition.row + 1, end: outer.endPosition.row + 1 }]
}

function isTopLevel({ parent }: Node): boolean {
  const outer = parent?.parent
  return outer?.type === 'program' || outer?.type === 'export_statement'
}

function nameOf(node: Node): string | undefined {
  const own = node.childForFieldName('name') ?? node.childForFieldName('type')
  if (
    own !== null &&
    own.type !== 'primitive_type' &&
    node.childForFieldName('declarator') === null
  )
    return own.text
  // C and its kin: the name is the innermost declarator.
  let inner = node.childForFieldName('declarator')
  for (let depth = 0; inner !== null && depth < 8; depth++) {
    const next = inner.childForFieldName('declarator')
    if (next === null) return inner.text
    inner = next
  }
  return undefined
}
