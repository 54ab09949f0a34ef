SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.aggregate_sequence (
    key text NOT NULL,
    last bigint NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.column_mapping (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    name text NOT NULL,
    spec jsonb NOT NULL,
    version integer NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL
);
CREATE TABLE public.definition (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    kind text NOT NULL,
    no text NOT NULL,
    spec jsonb NOT NULL,
    outdated boolean NOT NULL,
    version integer NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL
);
CREATE TABLE public.equipment_state (
    equipment_id uuid NOT NULL,
    site_id uuid NOT NULL,
    category text NOT NULL,
    reason text NOT NULL,
    since timestamp with time zone NOT NULL,
    expected_until timestamp with time zone,
    as_of timestamp with time zone NOT NULL
);
CREATE TABLE public.guard_setting (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    guard text NOT NULL,
    level text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL
);
CREATE TABLE public.history_entry (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid,
    source text NOT NULL,
    sequence bigint NOT NULL,
    type text NOT NULL,
    verb text NOT NULL,
    actor text NOT NULL,
    at timestamp with time zone NOT NULL,
    payload bytea NOT NULL
);
CREATE TABLE public.hold (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid,
    reason_type text NOT NULL,
    reason text NOT NULL,
    nonconformance_id uuid,
    opened_at timestamp with time zone NOT NULL,
    opened_by text NOT NULL,
    released_at timestamp with time zone,
    released_by text NOT NULL,
    release_note text NOT NULL
);
CREATE TABLE public.idempotency_key (
    principal text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    status bigint NOT NULL,
    media_type text,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE public.import_run (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    file_name text NOT NULL,
    file_hash text NOT NULL,
    changes jsonb NOT NULL,
    skipped_rows integer NOT NULL,
    imported_at timestamp with time zone NOT NULL,
    imported_by text NOT NULL
);
CREATE TABLE public.inbox (
    source text NOT NULL,
    event_id uuid NOT NULL,
    processed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE public.inspection_gate (
    lot_id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid NOT NULL,
    stage text NOT NULL,
    state text NOT NULL,
    gate boolean NOT NULL,
    as_of timestamp with time zone NOT NULL
);
CREATE TABLE public.job (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    code text NOT NULL,
    seq integer NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    state_before_hold text NOT NULL,
    predecessor_ids uuid[] NOT NULL,
    component_order_ids uuid[] NOT NULL,
    material_id uuid NOT NULL,
    routing_operation_id uuid,
    alternatives jsonb NOT NULL,
    setup_family text NOT NULL,
    queue_s integer NOT NULL,
    move_s integer NOT NULL,
    overlap_qty numeric(18,6),
    interruptible boolean NOT NULL,
    optional boolean NOT NULL,
    skill text NOT NULL,
    inspection_plan_id uuid,
    first_article boolean NOT NULL,
    is_key_process boolean NOT NULL,
    nc_level integer NOT NULL,
    supplier text NOT NULL,
    lead_days integer NOT NULL,
    pieces_per_count numeric(18,6) NOT NULL,
    over_tolerance numeric(18,6) NOT NULL,
    uom text NOT NULL,
    uom_digits integer NOT NULL,
    qty numeric(18,6) NOT NULL,
    good_qty numeric(18,6) NOT NULL,
    scrap_qty numeric(18,6) NOT NULL,
    rework_qty numeric(18,6) NOT NULL,
    written_off_qty numeric(18,6) NOT NULL,
    short_qty numeric(18,6) NOT NULL,
    over_qty numeric(18,6) NOT NULL,
    allowed_to_start boolean NOT NULL,
    material_ready_at timestamp with time zone,
    material_ready_qty numeric(18,6),
    planned_equipment_id uuid,
    planned_setup_start timestamp with time zone,
    planned_start timestamp with time zone,
    planned_end timestamp with time zone,
    plan_rank integer,
    plan_cause text NOT NULL,
    plan_cause_ref uuid,
    plan_slack_s integer,
    pinned boolean NOT NULL,
    equipment_id uuid,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    expected_back_at timestamp with time zone,
    sent_qty numeric(18,6) NOT NULL,
    returned_qty numeric(18,6) NOT NULL,
    rework_of uuid,
    rework_loop integer NOT NULL,
    fai text NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.outbox (
    "position" bigint NOT NULL,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_at timestamp with time zone
);
ALTER TABLE public.outbox ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.outside_move (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid NOT NULL,
    direction text NOT NULL,
    supplier text NOT NULL,
    qty numeric(18,6) NOT NULL,
    kg numeric(18,6),
    shortage_qty numeric(18,6) NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    recorded_by text NOT NULL
);
CREATE TABLE public.parked_event (
    "position" bigint NOT NULL,
    topic text NOT NULL,
    partition bigint NOT NULL,
    record_offset bigint NOT NULL,
    key text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    error text NOT NULL,
    parked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE public.parked_event ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.parked_event_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.plan_chunk (
    version_id uuid NOT NULL,
    chunk integer NOT NULL,
    site_id uuid NOT NULL,
    version_no bigint NOT NULL,
    payload bytea NOT NULL
);
CREATE TABLE public.plan_version (
    site_id uuid NOT NULL,
    version_id uuid NOT NULL,
    version_no bigint NOT NULL,
    solver text NOT NULL,
    published_at timestamp with time zone,
    applied_at timestamp with time zone NOT NULL
);
CREATE TABLE public.production_order (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    material_id uuid NOT NULL,
    qty numeric(18,6) NOT NULL,
    uom text NOT NULL,
    state text NOT NULL,
    state_before_hold text NOT NULL,
    priority integer NOT NULL,
    release_at timestamp with time zone,
    due_at timestamp with time zone,
    deadline_type text NOT NULL,
    source text NOT NULL,
    customer text NOT NULL,
    parent_id uuid,
    split_from uuid,
    rework_of uuid,
    routing_revision_id uuid,
    component_order_ids uuid[] NOT NULL,
    good_qty numeric(18,6) NOT NULL,
    scrap_qty numeric(18,6) NOT NULL,
    projected_end timestamp with time zone,
    lateness_s integer,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    released_at timestamp with time zone,
    completed_at timestamp with time zone,
    closed_at timestamp with time zone,
    short boolean NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.report (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid NOT NULL,
    run_id uuid,
    equipment_id uuid,
    kind text NOT NULL,
    state text NOT NULL,
    good_qty numeric(18,6) NOT NULL,
    scrap_qty numeric(18,6) NOT NULL,
    rework_qty numeric(18,6) NOT NULL,
    uom text NOT NULL,
    entered jsonb,
    scrap_reason text NOT NULL,
    scrap_class text NOT NULL,
    caused_by_job_id uuid,
    caused_by_worker text NOT NULL,
    production_date date,
    shift text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    reported_by text NOT NULL,
    terminal text NOT NULL,
    workers jsonb NOT NULL,
    source text NOT NULL,
    corrects_report_id uuid,
    pending_reason text NOT NULL,
    pending_params jsonb,
    decided_at timestamp with time zone,
    decided_by text NOT NULL,
    decision_note text NOT NULL,
    counter_from numeric(18,6),
    counter_to numeric(18,6),
    run_s_per_unit numeric(18,6),
    final boolean NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.run (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid,
    kind text NOT NULL,
    workers jsonb NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    cause text NOT NULL,
    reason text NOT NULL
);
CREATE TABLE public.run_line (
    run_id uuid NOT NULL,
    job_id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    qty numeric(18,6)
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.aggregate_sequence
    ADD CONSTRAINT pk_aggregate_sequence PRIMARY KEY (key);
ALTER TABLE ONLY public.column_mapping
    ADD CONSTRAINT pk_column_mapping PRIMARY KEY (id);
ALTER TABLE ONLY public.definition
    ADD CONSTRAINT pk_definition PRIMARY KEY (id);
ALTER TABLE ONLY public.equipment_state
    ADD CONSTRAINT pk_equipment_state PRIMARY KEY (equipment_id);
ALTER TABLE ONLY public.guard_setting
    ADD CONSTRAINT pk_guard_setting PRIMARY KEY (id);
ALTER TABLE ONLY public.history_entry
    ADD CONSTRAINT pk_history_entry PRIMARY KEY (id);
ALTER TABLE ONLY public.hold
    ADD CONSTRAINT pk_hold PRIMARY KEY (id);
ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT pk_idempotency_key PRIMARY KEY (principal, method, path, key);
ALTER TABLE ONLY public.import_run
    ADD CONSTRAINT pk_import_run PRIMARY KEY (id);
ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (source, event_id);
ALTER TABLE ONLY public.inspection_gate
    ADD CONSTRAINT pk_inspection_gate PRIMARY KEY (lot_id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT pk_job PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY ("position");
ALTER TABLE ONLY public.outside_move
    ADD CONSTRAINT pk_outside_move PRIMARY KEY (id);
ALTER TABLE ONLY public.parked_event
    ADD CONSTRAINT pk_parked_event PRIMARY KEY ("position");
ALTER TABLE ONLY public.plan_chunk
    ADD CONSTRAINT pk_plan_chunk PRIMARY KEY (version_id, chunk);
ALTER TABLE ONLY public.plan_version
    ADD CONSTRAINT pk_plan_version PRIMARY KEY (site_id);
ALTER TABLE ONLY public.production_order
    ADD CONSTRAINT pk_production_order PRIMARY KEY (id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT pk_report PRIMARY KEY (id);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT pk_run PRIMARY KEY (id);
ALTER TABLE ONLY public.run_line
    ADD CONSTRAINT pk_run_line PRIMARY KEY (run_id, job_id);
CREATE INDEX ix_history_entry_order_id ON public.history_entry USING btree (order_id, at);
CREATE INDEX ix_hold_nonconformance_id ON public.hold USING btree (nonconformance_id);
CREATE INDEX ix_hold_order_id ON public.hold USING btree (order_id);
CREATE INDEX ix_inspection_gate_job_id ON public.inspection_gate USING btree (job_id);
CREATE INDEX ix_job_begun ON public.job USING btree (site_id) WHERE ((state = ANY (ARRAY['Setup'::text, 'Running'::text, 'Paused'::text, 'Held'::text])) AND (kind <> 'outside'::text));
CREATE INDEX ix_job_order_id ON public.job USING btree (order_id);
CREATE INDEX ix_job_queue ON public.job USING btree (site_id, planned_equipment_id, state, plan_rank, planned_start, seq, id) WHERE ((state = ANY (ARRAY['Ready'::text, 'Waiting'::text])) AND (kind <> 'outside'::text));
CREATE INDEX ix_outbox_unsent ON public.outbox USING btree ("position") WHERE (sent_at IS NULL);
CREATE INDEX ix_outside_move_job_id ON public.outside_move USING btree (job_id);
CREATE INDEX ix_parked_event_topic_key ON public.parked_event USING btree (topic, key);
CREATE INDEX ix_production_order_site_id_state ON public.production_order USING btree (site_id, state);
CREATE INDEX ix_report_job_id ON public.report USING btree (job_id);
CREATE INDEX ix_report_order_id ON public.report USING btree (order_id);
CREATE INDEX ix_report_pending ON public.report USING btree (site_id, recorded_at) WHERE (state = 'Pending'::text);
CREATE INDEX ix_report_production_date ON public.report USING btree (site_id, production_date, shift);
CREATE INDEX ix_run_line_job_id ON public.run_line USING btree (job_id);
CREATE INDEX ix_run_open ON public.run USING btree (site_id, equipment_id) WHERE (ended_at IS NULL);
CREATE UNIQUE INDEX uq_column_mapping_site_id_name ON public.column_mapping USING btree (site_id, name);
CREATE UNIQUE INDEX uq_definition_site_id_kind_no ON public.definition USING btree (site_id, kind, no);
CREATE UNIQUE INDEX uq_guard_setting_site_id_guard ON public.guard_setting USING btree (site_id, guard);
CREATE UNIQUE INDEX uq_job_site_id_code ON public.job USING btree (site_id, code);
CREATE UNIQUE INDEX uq_production_order_site_id_no ON public.production_order USING btree (site_id, no);
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
INSERT INTO public.alembic_version VALUES ('0001');
