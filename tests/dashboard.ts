// What Grafana's own types say of a dashboard: fields that there are not, values that no enum has. `tests/proof` installs it
// beside its modules; `dashboard-check` puts the dashboard behind it, since a literal alone is compared field by field.
import type { Dashboard, DataSourceRef, Panel } from "@grafana/schema";
import type { Options } from "./node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// What a panel leaves out has its default, and an enum is written as its text.
type Written<T> = T extends string
    ? `${T}`
    : T extends (infer Item)[]
      ? Written<Item>[]
      : T extends object
        ? { [Key in keyof T]?: Written<T[Key]> }
        : T;

// The package knows no more of a query than that it is an object.
interface Query {
    refId: string;
    expr: string;
    legendFormat: string;
    datasource?: DataSourceRef;
}

type TimeSeries = Written<Omit<Panel, "type" | "options" | "targets">> & {
    type: "timeseries";
    options: Written<Options>;
    targets: Query[];
};

export const dashboard: Written<Omit<Dashboard, "panels">> & { panels: TimeSeries[] } =
