/** How many pages `total` items fill; an empty list still has one, empty page. */
export function pageCount(total, size) {
  return Math.floor(total / size) + 1
}

/** The items of `page`, counted from 1. */
export function pageOf(items, page, size) {
  return items.slice((page - 1) * size, page * size)
}
