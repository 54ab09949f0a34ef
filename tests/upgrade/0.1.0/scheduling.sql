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
CREATE TABLE public.calendar (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    definition bytea NOT NULL
);
CREATE TABLE public.equipment (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    work_centre_id uuid,
    calendar_id uuid,
    efficiency numeric(18,6) NOT NULL,
    initial_family text NOT NULL,
    outdated boolean NOT NULL
);
CREATE TABLE public.equipment_state (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    category text NOT NULL,
    reason text NOT NULL,
    since timestamp with time zone NOT NULL,
    expected_until timestamp with time zone
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
CREATE TABLE public.inbox (
    source text NOT NULL,
    event_id uuid NOT NULL,
    processed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE public.job (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    order_no text NOT NULL,
    code text NOT NULL,
    seq integer NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    is_open boolean NOT NULL,
    predecessor_ids uuid[] NOT NULL,
    component_order_ids uuid[] NOT NULL,
    alternatives jsonb NOT NULL,
    family text NOT NULL,
    queue_s bigint NOT NULL,
    move_s bigint NOT NULL,
    overlap_qty numeric(18,6),
    qty numeric(18,6) NOT NULL,
    good_qty numeric(18,6) NOT NULL,
    remaining_qty numeric(18,6) NOT NULL,
    interruptible boolean NOT NULL,
    lead_days integer NOT NULL,
    material_ready_at timestamp with time zone,
    expected_back_at timestamp with time zone,
    pinned boolean NOT NULL,
    planned_equipment_id uuid,
    planned_start timestamp with time zone,
    equipment_id uuid,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    progress_at timestamp with time zone,
    version bigint NOT NULL
);
CREATE TABLE public.order_promise (
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    projected_end timestamp with time zone,
    due_at timestamp with time zone,
    lateness_s bigint,
    cause text NOT NULL,
    version_id uuid NOT NULL
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
CREATE TABLE public.pin (
    site_id uuid NOT NULL,
    job_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    start_at timestamp with time zone NOT NULL,
    by text NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE public.planning (
    site_id uuid NOT NULL,
    requested bigint NOT NULL,
    planned bigint NOT NULL,
    reasons text[] NOT NULL,
    requested_at timestamp with time zone,
    drift_due timestamp with time zone,
    drift_pause_s integer NOT NULL,
    planned_at timestamp with time zone,
    version_id uuid,
    version_no bigint NOT NULL
);
CREATE TABLE public.planning_settings (
    site_id uuid NOT NULL,
    frozen_window_s integer NOT NULL,
    improvement_s double precision NOT NULL,
    stability_threshold_s integer NOT NULL,
    repair_estimate_s integer NOT NULL,
    drift_threshold_s integer NOT NULL,
    seed integer NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.production_order (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    state text NOT NULL,
    priority integer NOT NULL,
    release_at timestamp with time zone,
    due_at timestamp with time zone,
    deadline_type text NOT NULL,
    component_order_ids uuid[] NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE public.schedule_run (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no bigint NOT NULL,
    status text NOT NULL,
    trigger text[] NOT NULL,
    request bigint NOT NULL,
    input_hash text NOT NULL,
    seed integer NOT NULL,
    settings jsonb NOT NULL,
    operations integer NOT NULL,
    solver text NOT NULL,
    score jsonb NOT NULL,
    rules jsonb NOT NULL,
    conflicts jsonb NOT NULL,
    reason text NOT NULL,
    seconds double precision NOT NULL,
    version_id uuid,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone
);
CREATE TABLE public.schedule_version (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no bigint NOT NULL,
    state text NOT NULL,
    previous_id uuid,
    run_id uuid NOT NULL,
    policy text NOT NULL,
    approved_by text NOT NULL,
    trigger text[] NOT NULL,
    solver text NOT NULL,
    score jsonb NOT NULL,
    rules jsonb NOT NULL,
    operations integer NOT NULL,
    changes jsonb NOT NULL,
    detailed boolean NOT NULL,
    published_at timestamp with time zone NOT NULL,
    superseded_at timestamp with time zone
);
CREATE TABLE public.scheduled_operation (
    site_id uuid NOT NULL,
    version_id uuid NOT NULL,
    job_id uuid NOT NULL,
    order_id uuid NOT NULL,
    equipment_id uuid,
    setup_start timestamp with time zone NOT NULL,
    start_at timestamp with time zone NOT NULL,
    end_at timestamp with time zone NOT NULL,
    fixing text NOT NULL,
    cause text NOT NULL,
    cause_ref uuid,
    rank integer NOT NULL,
    slack_s bigint
);
CREATE TABLE public.setup_matrix (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    entries jsonb NOT NULL
);
CREATE TABLE public.unplanned (
    site_id uuid NOT NULL,
    job_id uuid NOT NULL,
    order_id uuid NOT NULL,
    code text NOT NULL,
    params jsonb NOT NULL,
    since timestamp with time zone NOT NULL
);
CREATE TABLE public.work_centre (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    calendar_id uuid,
    outdated boolean NOT NULL
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.aggregate_sequence
    ADD CONSTRAINT pk_aggregate_sequence PRIMARY KEY (key);
ALTER TABLE ONLY public.calendar
    ADD CONSTRAINT pk_calendar PRIMARY KEY (id);
ALTER TABLE ONLY public.equipment
    ADD CONSTRAINT pk_equipment PRIMARY KEY (id);
ALTER TABLE ONLY public.equipment_state
    ADD CONSTRAINT pk_equipment_state PRIMARY KEY (id);
ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT pk_idempotency_key PRIMARY KEY (principal, method, path, key);
ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (source, event_id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT pk_job PRIMARY KEY (id);
ALTER TABLE ONLY public.order_promise
    ADD CONSTRAINT pk_order_promise PRIMARY KEY (site_id, order_id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY ("position");
ALTER TABLE ONLY public.parked_event
    ADD CONSTRAINT pk_parked_event PRIMARY KEY ("position");
ALTER TABLE ONLY public.pin
    ADD CONSTRAINT pk_pin PRIMARY KEY (site_id, job_id);
ALTER TABLE ONLY public.planning
    ADD CONSTRAINT pk_planning PRIMARY KEY (site_id);
ALTER TABLE ONLY public.planning_settings
    ADD CONSTRAINT pk_planning_settings PRIMARY KEY (site_id);
ALTER TABLE ONLY public.production_order
    ADD CONSTRAINT pk_production_order PRIMARY KEY (id);
ALTER TABLE ONLY public.schedule_run
    ADD CONSTRAINT pk_schedule_run PRIMARY KEY (id);
ALTER TABLE ONLY public.schedule_version
    ADD CONSTRAINT pk_schedule_version PRIMARY KEY (id);
ALTER TABLE ONLY public.scheduled_operation
    ADD CONSTRAINT pk_scheduled_operation PRIMARY KEY (site_id, version_id, job_id);
ALTER TABLE ONLY public.setup_matrix
    ADD CONSTRAINT pk_setup_matrix PRIMARY KEY (id);
ALTER TABLE ONLY public.unplanned
    ADD CONSTRAINT pk_unplanned PRIMARY KEY (site_id, job_id);
ALTER TABLE ONLY public.work_centre
    ADD CONSTRAINT pk_work_centre PRIMARY KEY (id);
CREATE INDEX ix_job_last_on_machine ON public.job USING btree (site_id, equipment_id, finished_at);
CREATE INDEX ix_job_open ON public.job USING btree (site_id) WHERE is_open;
CREATE INDEX ix_job_site_id_order_id ON public.job USING btree (site_id, order_id);
CREATE INDEX ix_outbox_unsent ON public.outbox USING btree ("position") WHERE (sent_at IS NULL);
CREATE INDEX ix_parked_event_topic_key ON public.parked_event USING btree (topic, key);
CREATE INDEX ix_scheduled_operation_machine ON public.scheduled_operation USING btree (version_id, equipment_id, start_at);
CREATE UNIQUE INDEX uq_schedule_run_site_id_no ON public.schedule_run USING btree (site_id, no);
CREATE UNIQUE INDEX uq_schedule_version_site_id_no ON public.schedule_version USING btree (site_id, no);
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
