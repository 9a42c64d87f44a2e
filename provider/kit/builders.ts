// Sorts the builders that a cloud's survey has found.
import { isExpired, isOfWorker, type LabelRules } from "../../common/labels.ts";

/** A builder as a cloud shows it. */
interface FoundBuilder {
  labels: Readonly<Record<string, unknown>> | undefined;
  /** The recipe hash; undefined if the machine has no record of it. */
  recipe: string | undefined;
  /** Whether it was sealed, and waits for its image. */
  isSealed: boolean;
}

/**
 * Sorts the builders of one worker image.
 * @param worker As in {@link isOfWorker}.
 * @returns their recipes: `surveyedBuilders` of components/shared/contract.ts.
 */
export function sortBuilders(rules: LabelRules, found: readonly FoundBuilder[], worker: string | undefined) {
  const own = found.filter(({ labels }) => isOfWorker(rules, labels, worker));
  const recipesOf = (builders: readonly FoundBuilder[]) => builders.flatMap(({ recipe }) => recipe ?? []);
  const builders = own.filter(({ labels }) => !isExpired(rules, labels));
  return {
    builders: recipesOf(builders),
    expired: recipesOf(own.filter(({ labels }) => isExpired(rules, labels))),
    sealed: recipesOf(builders.filter(({ isSealed }) => isSealed)),
  };
}
